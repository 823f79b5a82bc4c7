from pathlib import Path

import polars as pl
import pytest

from lrbench.data.readers import read
from lrbench.errors import RequestError

HEAD = "user_id,history_item_id,item_id,history_item_title,item_title"
TIMED = HEAD + ",history_rating,rating,history_timestamp,timestamp"
ROWS = """\
u1,"[3, 5]",7,"['Three', ""It's 5""]",Seven,"[5.0, 1.0]",4.0,"[10, 20]",30
u1,"[3, 5, 7]",3,"['Three', ""It's 5"", 'Seven']",Three,"[5.0, 1.0, 4.0]",2.0,"[10, 20, 30]",30
u2,[7],5,['Seven'],It's 5,[3.0],5.0,[40],41
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "rows.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_rows_become_sequences_with_titles(tmp_path: Path) -> None:
    raw = read("titled-rows", written(tmp_path, f"{TIMED}\n{ROWS}"), {})
    table = raw.collect()
    assert table["user"].cast(pl.String).to_list() == ["u1"] * 4 + ["u2"] * 2
    assert table["item"].cast(pl.String).to_list() == ["3", "5", "7", "3", "7", "5"]
    assert table["rating"].to_list() == [5, 1, 4, 2, 3, 5]
    assert table["time"].to_list() == [10, 20, 30, 30, 40, 41]
    assert raw.titles is not None
    assert dict(raw.titles.iter_rows()) == {"3": "Three", "5": "It's 5", "7": "Seven"}


def test_times_may_be_absent_and_users_left_out(tmp_path: Path) -> None:
    rows = (
        "u1,[3],7,['Three'],Seven\nu2,[7],3,['Seven'],Three\nu1,\"[3, 7]\",3,\"['Three', 'Seven']\",Three\n"
    )
    raw = read("titled-rows", written(tmp_path, f"{HEAD}\n{rows}"), {"users": 1})
    table = raw.collect()
    assert table["item"].cast(pl.String).to_list() == ["3", "7", "3"]
    assert table["time"].null_count() == 3


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"{HEAD}\n", "holds no rows"),
        ("user_id,item_id\nu,3\n", 'has no column "history_item_id"'),
        (f"{HEAD}\nu,3,7,['Three'],Seven\n", "line 2: this is no history with its target"),
        (f"{HEAD}\nu,[3],7,\"['Three', 'Four']\",Seven\n", "line 2: .*differ in length"),
        (f"{HEAD}\nu,[3,7,['Three'],Seven\n", "line 2: this is no history"),
        (f"{HEAD}\nu,[3],7,['T'],S\nu,[9],7,['N'],S\n", 'line 3: the history of user "u" does not continue'),
        (f"{HEAD}\nu,[3],7,['T'],S,9\n", "line 2: .*more fields than there are columns"),
        (f"{HEAD}\n,[3],7,['T'],S\n", "line 2: .*the user is missing"),
        (f"{HEAD}\nu,[' '],7,['T'],S\n", "line 2: .*an id or a title is missing"),
        ("history_item_id,item_id,history_item_title,item_title,user_id\n[3],7,['T'],S\n", "user is missing"),
        (f"{TIMED}\nu,[3],7,['T'],S,[1.0],4.0,[10.5],20\n", "line 2: .*a time is no whole number"),
        (
            f"{TIMED}\nu,[3],7,['T'],S,[1.0],4.0,[10],{2**63}\n",
            "line 2: .*a time is no whole number of 64 bits",
        ),
        (f"{TIMED}\nu,[3],7,['T'],S,[1.0],1e999,[10],20\n", "line 2: .*a rating is not finite"),
        (f"{HEAD},item_id\nu,[3],7,['T'],S,9\n", 'two columns called "item_id"'),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(RequestError, match=cause):
        read("titled-rows", written(tmp_path, text), {}).collect()


@pytest.mark.real_data
def test_rows_of_latentr3(mirror: Path) -> None:
    file = mirror / "llm-amazon-2018" / "test_CDs_and_Vinyl_5_2015-10-2018-11.csv.gz"
    raw = read("titled-rows", file, {})
    table = raw.collect()
    assert (table["user"].n_unique(), len(table)) == (1_723, 14_991)
    assert raw.titles is not None
    assert raw.titles["title"].null_count() == 0
