"""Polars reads the file that was named, whatever its name."""

import ast
import gzip
import json
from pathlib import Path

import polars as pl
import pytest

import lrbench
from lrbench.data.dataset import load_prepared
from lrbench.data.readers import read
from lrbench.errors import RequestError
from lrbench.paths import absolute, expanded
from lrbench.polars_files import read_parquet, scan_csv, scan_json_lines, scan_lines, scan_parquet
from lrbench.store.trials import read_history

PACKAGE = Path(lrbench.__file__).parent

ODD = {
    "a[1]": "a1",
    "b*": "b and more",
    "c?": "cx",
    "d{e,f}": "de",
    "~g": "g",
    "h%20i": "h i",
    "j k": "jk",
    "'l\" 😀": "l",
    "user=m": "m",
    "#n": "n",
    "o[!p]": "oq",
}
"""Names of files, and what each means as a pattern, an address or a folder of values."""


@pytest.fixture(params=sorted(ODD))
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An odd name, in a folder that holds what it could be mistaken for."""
    monkeypatch.chdir(tmp_path)
    name: str = request.param
    for folder in (name, ODD[name]):
        (tmp_path / folder).mkdir()
    return name


def both(write, folder: str, name: str) -> list[Path]:
    """Write content 1 under the odd names and 2 under the others; return the paths of the odd one."""
    write(Path(ODD[folder]) / name, 2)
    write(Path(folder) / name, 1)
    write(Path(folder) / f"{ODD[folder]}{name}", 2)
    write(Path(folder) / f"{folder}{name}", 1)
    relative = [Path(folder) / name, Path(folder) / f"{folder}{name}"]
    return [*relative, *(path.absolute() for path in relative)]


def test_delimited_text(odd: str) -> None:
    for path in both(lambda file, value: file.write_text(f"{value}\n"), odd, "x.csv"):
        assert scan_csv(path, has_header=False).collect().rows() == [(1,)]
        assert scan_lines(path, "line").collect().rows() == [("1",)]


def test_json_lines(odd: str) -> None:
    schema = pl.Schema({"a": pl.Int64})
    for ending, pack in ((".json", bytes), (".json.gz", gzip.compress)):
        paths = both(lambda file, value, p=pack: file.write_bytes(p(b'{"a": %d}\n' % value)), odd, ending)
        for path in paths:
            assert scan_json_lines(path, schema).collect().rows() == [(1,)]


def test_parquet(odd: str) -> None:
    def write(file: Path, value: int) -> None:
        pl.DataFrame({"a": [value]}).write_parquet(file)

    for path in both(write, odd, "history.parquet"):
        assert read_parquet(path).rows() == scan_parquet(path).collect().rows() == [(1,)]
    assert read_history(Path(odd)).rows() == [(1,)]


READERS = {
    "csv": "user,item\nuN,i\n",
    "sasrec-pairs": "uN i\n",
    "s3rec-lines": "uN i\n",
    "lcrec-json": json.dumps({"uN": ["i"]}),
    "recbole-inter": "user_id:token\titem_id:token\nuN\ti\n",
    "amazon-2014-csv": "uN,i,5,1\n",
    "amazon-2018-json": json.dumps({"reviewerID": "uN", "asin": "i", "overall": 5, "unixReviewTime": 1}),
    "movielens-colons": "uN::i::5::1\n",
}


@pytest.mark.parametrize("reader", sorted(READERS))
def test_readers(odd: str, reader: str) -> None:
    def write(file: Path, value: int) -> None:
        file.write_text(READERS[reader].replace("N", str(value)))

    for path in both(write, odd, "x"):
        table = read(reader, path, {}).collect()
        assert table["user"].cast(pl.String).to_list() == ["u1"]


def test_a_table_of_ones_own_in_parquet(odd: str) -> None:
    def write(file: Path, value: int) -> None:
        pl.DataFrame({"user": [value], "item": [3]}).write_parquet(file)

    for path in both(write, odd, "x.parquet"):
        assert read("parquet", path, {}).collect()["user"].cast(pl.String).to_list() == ["1"]


def test_prepared_data(odd: str) -> None:
    from small_data import write_small_dataset

    write_small_dataset(Path(odd) / "walks")
    assert load_prepared(Path(odd) / "walks").record.name == "walks"


def test_a_persons_path(odd: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert expanded(odd) == Path(odd)
    assert absolute(odd) == tmp_path / odd
    assert expanded("~/x.csv") == tmp_path / "home" / "x.csv"
    with pytest.raises(RequestError, match="no such home folder"):
        expanded("~nobody.csv")


def test_no_other_file_lets_polars_read_a_path() -> None:
    """Every ``pl.read_…`` and ``pl.scan_…`` is in one file, where patterns are switched off."""
    calls = [
        f"{path.relative_to(PACKAGE)}: {node.attr}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("pl", "polars")
        and node.attr.startswith(("read_", "scan_"))
        and path.name != "polars_files.py"
    ]
    assert calls == []
