"""Every raw form: small files written by hand, malformed ones, and the real ones with their known counts."""

import gzip
import json
import zipfile
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from lrbench.data.readers import READERS, read
from lrbench.data.readers.raw import COLUMNS
from lrbench.errors import RequestError

ROWS = [("u1", "i1", 5.0, 30), ("u2", "i1", 3.5, 10), ("u1", "i2", 1.0, 20)]
PAIRS = [(user, item, None, None) for user, item, _, _ in ROWS]


def rows(reader: str, path: Path, **options):
    raw = read(reader, path, options)
    assert raw.frame.collect_schema() == COLUMNS
    table = raw.collect()
    return table.with_columns(pl.col("user", "item").cast(pl.String)).rows()


def titles(reader: str, path: Path, **options):
    table = read(reader, path, options).titles
    assert table is not None
    return dict(table.rows())


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def written(path: Path, content: str, compress: bool = False) -> Path:
    path.write_bytes(gzip.compress(content.encode()) if compress else content.encode())
    return path


def delimited(separator: str, header: str = "", end: str = "\n", order=(0, 1, 2, 3)) -> str:
    lines = [separator.join(str(row[position]) for position in order) for row in ROWS]
    return end.join([*([header] if header else []), *lines]) + end


class TestMovieLens:
    def test_tab(self, tmp_path):
        members = {
            "ml-100k/u.data": delimited("\t").encode(),
            "ml-100k/u.item": "i1|Amélie (2001)|1-Jan\ni2|A|B\n".encode("latin-1"),
        }
        path = zipped(tmp_path / "a.zip", members)
        assert rows("movielens-tab", path) == ROWS
        assert titles("movielens-tab", path) == {"i1": "Amélie (2001)", "i2": "A"}

    def test_colons_in_a_folder_of_another_name(self, tmp_path):
        members = {
            "ml-10M100K/ratings.dat": delimited("::").encode(),
            "ml-10M100K/movies.dat": "i1::Amélie: le film (2001)::Comedy\ni2::B::C|D\n".encode(),
        }
        path = zipped(tmp_path / "ml-10m.zip", members)
        assert rows("movielens-colons", path) == ROWS
        assert rows("movielens-colons", path, member="ml-10M100K/ratings.dat") == ROWS
        assert titles("movielens-colons", path) == {"i1": "Amélie: le film (2001)", "i2": "B"}

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_csv(self, tmp_path, end):
        members = {
            "ml/ratings.csv": delimited(",", "userId,movieId,rating,timestamp", end).encode(),
            "ml/movies.csv": f'movieId,title,genres{end}i1,"City, The (1995)",Drama{end}'.encode(),
        }
        path = zipped(tmp_path / "a.zip", members)
        assert rows("movielens-csv", path) == ROWS
        assert titles("movielens-csv", path) == {"i1": "City, The (1995)"}

    def test_unpacked_file_without_titles(self, tmp_path):
        path = written(tmp_path / "ratings.dat", delimited("::"))
        assert rows("movielens-colons", path) == ROWS
        assert read("movielens-colons", path, {}).titles is None


class TestAmazon:
    def test_the_editions_swap_user_and_item(self, tmp_path):
        path = written(tmp_path / "ratings.csv", delimited(","))
        swapped = written(tmp_path / "swapped.csv", delimited(",", end="\r\n", order=(1, 0, 2, 3)))
        assert rows("amazon-2014-csv", path) == ROWS
        assert rows("amazon-2018-csv", swapped) == ROWS
        assert rows("amazon-2018-csv", path)[0] == ("i1", "u1", 5.0, 30)

    @pytest.mark.parametrize("extra", ["", ",history"])
    def test_2023_csv(self, tmp_path, extra):
        lines = delimited(",").replace("\n", ",i9 i8\n" if extra else "\n")
        content = f"user_id,parent_asin,rating,timestamp{extra}\n{lines}"
        path = written(tmp_path / "a.csv.gz", content, True)
        assert rows("amazon-2023-csv", path) == ROWS

    @pytest.mark.parametrize(
        ("reader", "fields"),
        [
            ("amazon-2014-json", ("reviewerID", "asin", "overall", "unixReviewTime")),
            ("amazon-2018-json", ("reviewerID", "asin", "overall", "unixReviewTime")),
            ("amazon-2023-json", ("user_id", "parent_asin", "rating", "timestamp")),
        ],
    )
    def test_json(self, tmp_path, reader, fields):
        reviews = [{"text": "π", **dict(zip(fields, row, strict=True)), "style": {"a": [1]}} for row in ROWS]
        reviews[0][fields[2]] = 5  # whole ratings may lack the point
        path = written(tmp_path / "a.json.gz", "\n".join(map(json.dumps, reviews)), compress=True)
        assert rows(reader, path) == ROWS

    def test_metadata_of_2014_are_python_literals(self, tmp_path):
        path = written(tmp_path / "ratings.csv", delimited(","))
        meta = "{'asin': 'i1', 'title': \"Kid's\", 'price': 1.0}\n{'asin': 'i2', 'price': None}\n"
        meta_path = written(tmp_path / "meta.json.gz", meta, compress=True)
        assert titles("amazon-2014-csv", path, titles=meta_path) == {"i1": "Kid's", "i2": None}

    @pytest.mark.parametrize(("reader", "field"), [("2018-csv", "asin"), ("2023-csv", "parent_asin")])
    def test_metadata_in_json_keep_the_first_title(self, tmp_path, reader, field):
        path = written(tmp_path / "r.csv", delimited(",", "user_id,parent_asin,rating,timestamp"))
        meta = [{field: "i1", "title": "One"}, {field: "i1", "title": "Again"}, {field: "i2", "title": "π"}]
        meta_path = written(tmp_path / "meta.json", "\n".join(map(json.dumps, meta)))
        assert titles(f"amazon-{reader}", path, titles=str(meta_path)) == {"i1": "One", "i2": "π"}

    def test_metadata_of_another_form_are_left_out_with_a_note(self, tmp_path):
        path = written(tmp_path / "r.csv", delimited(","))
        meta_path = written(tmp_path / "meta.json", '{"asin": "i1"}\n{"parent_asin": "i2"}\n')
        raw = read("amazon-2018-csv", path, {"titles": meta_path})
        assert raw.titles is None
        assert raw.notes[0].startswith("meta.json, line 2: this is not the metadata of a product ('asin')")


_BAD_LINES = [
    *("2", "2 ", "2  9", "1 7\t0 x", "1 7 8\t0", "1 7", "1 7\t"),
    "1 7 8\t0 -5",  # back in time
    f"1 7 8\t1 {2**63 - 1}",  # no sum of 64 bits
]


class TestSequenceFiles:
    def test_s3rec(self, tmp_path):
        path = written(tmp_path / "a.txt.gz", "1 7 8 7\n2 9\n", compress=True)
        expected = [("1", "7"), ("1", "8"), ("1", "7"), ("2", "9")]
        assert rows("s3rec-lines", path) == [(*pair, None, None) for pair in expected]
        assert not read("s3rec-lines", path, {}).own_clocks

    def test_s3rec_with_gaps_adds_them_up(self, tmp_path):
        path = written(tmp_path / "a.txt", "1 7 8 7\t0 5 10\r\n2 9\t0\r\n")
        expected = [("1", "7", 0), ("1", "8", 5), ("1", "7", 15), ("2", "9", 0)]
        assert rows("s3rec-lines", path) == [(user, item, None, time) for user, item, time in expected]
        assert read("s3rec-lines", path, {}).own_clocks

    @pytest.mark.parametrize("bad", _BAD_LINES, ids=repr)
    def test_s3rec_names_the_malformed_line(self, tmp_path, bad):
        first = "1 7 8\t0 5" if "\t" in bad or bad == "1 7" else "1 7 8"
        path = written(tmp_path / "a.txt", f"{first}\n{first}\n{bad}\n{first}\n")
        with pytest.raises(RequestError, match=r"a\.txt, line 3"):
            rows("s3rec-lines", path)

    def test_gaps_in_later_lines_alone_are_not_left_out(self, tmp_path):
        with pytest.raises(RequestError, match=r"a\.txt, line 2"):
            rows("s3rec-lines", written(tmp_path / "a.txt", "1 7\n2 7 8\t0 5\n"))

    @pytest.mark.parametrize("gaps", [("", "", ""), ("\t0 5", "\t0", "\t0")])
    def test_two_lines_of_one_user_are_not_joined(self, tmp_path, gaps):
        lines = zip(("1 7 8", "2 9", "1 5"), gaps, strict=True)
        text = "".join(f"{line}{gap}\n" for line, gap in lines)
        with pytest.raises(RequestError, match=r'a\.txt, line 3: the user "1" has a line before this one'):
            rows("s3rec-lines", written(tmp_path / "a.txt", text))

    @pytest.mark.parametrize("reader", ["s3rec-lines", "account-rows"])
    def test_carriage_returns_are_no_part_of_an_id(self, tmp_path, reader):
        separator = "\t" if reader == "account-rows" else " "
        path = written(tmp_path / "a.txt", separator.join(("1", "7\r", "8")) + "\n")
        with pytest.raises(RequestError, match="has carriage returns within lines"):
            rows(reader, path)

    def test_sasrec_pairs(self, tmp_path):
        assert rows("sasrec-pairs", written(tmp_path / "a", delimited(" ", order=(0, 1)))) == PAIRS

    def test_lcrec(self, tmp_path):
        path = written(tmp_path / "a.json", json.dumps({"4": [7, 8], "3": [], "0": ["x"]}))
        assert [row[:2] for row in rows("lcrec-json", path)] == [("4", "7"), ("4", "8"), ("0", "x")]

    @pytest.mark.parametrize("content", ["{", "[1]", '{"1": 2}', '{"1": [[2]]}', '{"1": [2.5]}'])
    def test_lcrec_of_another_form_is_refused(self, tmp_path, content):
        with pytest.raises(RequestError, match=r"a\.json"):
            read("lcrec-json", written(tmp_path / "a.json", content), {})


class TestRecbole:
    def test_atomic(self, tmp_path):
        header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
        assert rows("recbole-inter", written(tmp_path / "a.inter", delimited("\t", header))) == ROWS

    def test_columns_in_another_order_without_rating(self, tmp_path):
        header = "item_id:token\ttimestamp:float\tuser_id:token"
        path = written(tmp_path / "a.inter", delimited("\t", header, order=(1, 3, 0)))
        assert rows("recbole-inter", path) == [(user, item, None, time) for user, item, _, time in ROWS]

    def test_times_written_as_floats_are_whole_numbers(self, tmp_path):
        content = "user_id:token\titem_id:token\ttimestamp:float\na\tb\t1370044800.0\na\tc\t1.5e9\n"
        table = rows("recbole-inter", written(tmp_path / "a.inter", content))
        assert [row[3] for row in table] == [1370044800, 1500000000]

    def test_longest_row_stands_for_the_user(self, tmp_path):
        lines = ["b\t1 2\t3", "a\t4\t5", "b\t1\t2", "a\t4 5\t6", "a\t4 5\t7"]
        content = "\n".join(["user_id:token\titem_id_list:token_seq\titem_id:token", *lines])
        table = rows("recbole-inter", written(tmp_path / "a.inter", content))
        assert [row[:2] for row in table] == [
            *[("b", item) for item in "123"],
            *[("a", item) for item in "457"],
        ]

    def test_missing_history_names_the_line(self, tmp_path):
        content = "user_id:token\titem_id_list:token_seq\titem_id:token\na\t1\t2\nb\t\t3\n"
        with pytest.raises(RequestError, match="line 3"):
            rows("recbole-inter", written(tmp_path / "a.inter", content))

    def test_header_without_user_is_refused(self, tmp_path):
        path = written(tmp_path / "a.inter", "uid:token\titem_id:token\n1\t2\n")
        with pytest.raises(RequestError, match='no column "user_id"'):
            read("recbole-inter", path, {})


class TestTables:
    def test_named_columns_in_any_order_with_quotes(self, tmp_path):
        path = written(tmp_path / "a.csv", 'when;what;"who; really"\n30;i1;"u;1"\n10;i2;u2\n')
        options = {"user": "who; really", "item": "what", "time": "when", "separator": ";"}
        assert rows("csv", path, **options) == [("u;1", "i1", None, 30), ("u2", "i2", None, 10)]

    @pytest.mark.parametrize("asked", [{"user": "usr"}, {"user": "usr", "item": "itm"}])
    def test_a_missing_column_is_told_with_the_names_of_the_others(self, tmp_path, asked):
        path = written(tmp_path / "a.csv", "user;item of a shop;time\na;b;1\n")
        with pytest.raises(RequestError) as caught:
            read("csv", path, {"item": "item of a shop", **asked})
        assert 'no column "usr"' in caught.value.cause
        assert caught.value.remedy == 'Did you mean "user"?'
        with pytest.raises(RequestError, match="It has 3 columns"):
            read("csv", path, {"user": 1, "item": 9, "header": False})

    def test_positions(self, tmp_path):
        path = zipped(tmp_path / "a.zip", {"x/log.txt": delimited("\t", order=(3, 1, 0)).encode()})
        options = {"user": 3, "item": 2, "time": 1, "header": False, "separator": "\t"}
        assert rows("csv", path, **options) == [(user, item, None, time) for user, item, _, time in ROWS]

    def test_dates_become_microseconds(self, tmp_path):
        path = written(tmp_path / "a.csv", "user,item,time\na,b,1970-01-01 00:00:02\n")
        assert rows("csv", path, time="time", time_format="%Y-%m-%d %H:%M:%S") == [("a", "b", None, 2000000)]

    def test_dates_without_a_time_of_day(self, tmp_path):
        path = written(tmp_path / "a.csv", "user,item,time\na,b,1970-01-02\n")
        assert rows("csv", path, time="time", time_format="%Y-%m-%d") == [("a", "b", None, 86_400_000_000)]

    def test_large_times_keep_every_digit(self, tmp_path):
        path = written(tmp_path / "a.csv", "user,item,time\na,b,9007199254740993\n")  # 2⁵³ + 1
        assert rows("csv", path, time="time")[0][3] == 9007199254740993

    def test_parquet(self, tmp_path):
        table = pl.DataFrame(ROWS, schema=["user", "item", "stars", "at"], orient="row")
        table.write_parquet(tmp_path / "a.parquet")
        assert rows("parquet", tmp_path / "a.parquet", rating="stars", time="at") == ROWS
        assert rows("parquet", tmp_path / "a.parquet") == PAIRS

    def test_parquet_of_integers_and_dates(self, tmp_path):
        pl.DataFrame({"user": [1], "item": [2], "time": [datetime(1970, 1, 2)]}).write_parquet(tmp_path / "a")
        assert rows("parquet", tmp_path / "a", time="time") == [("1", "2", None, 86_400_000_000)]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"item": "itm"}, 'no column "itm" for item'),
            ({"user": 5}, 'no column "5" for user'),
            ({"user": 0}, 'no column "0" for user'),
            ({"time": "when"}, 'no column "when" for time'),
        ],
    )
    def test_missing_columns(self, tmp_path, options, message):
        path = written(tmp_path / "a.csv", "user,item\na,b\n")
        with pytest.raises(RequestError, match=message):
            read("csv", path, options)

    def test_two_columns_of_one_name(self, tmp_path):
        with pytest.raises(RequestError, match='has two columns called "item"'):
            read("csv", written(tmp_path / "a.csv", "user,item,item\na,b,c\n"), {})


class TestFaults:
    @pytest.mark.parametrize(
        "line",
        ["u,i,5.0", "u,i,5.0,1,9", "u,i,x,1", "u,i,5.0,1.5", ",i,5.0,1", "u,,5.0,1", "garbage", ",,,"],
        ids=repr,
    )
    def test_malformed_line_of_delimited_text(self, tmp_path, line):
        sound = delimited(",")
        path = written(tmp_path / "ratings.csv", f"{sound}{line}\n{sound}")
        with pytest.raises(RequestError, match=r"ratings\.csv, line 4: .*1 of 7 rows"):
            rows("amazon-2014-csv", path)

    @pytest.mark.parametrize(
        ("line", "options", "fault"),
        [
            ("u,i,5,2020-01-01", {}, 'when is "2020-01-01", but it must be a whole number such as seconds'),
            ("u,i,5,1.5", {}, 'when is "1.5", but it must be a whole number'),
            (
                "u,i,5,1",
                {"time_format": "%Y-%m-%d"},
                'when is "1", but it must be a time written as %Y-%m-%d',
            ),
            ("u,i,good,2020-01-01", {"time_format": "%Y-%m-%d"}, 'stars is "good", but it must be a number'),
            ("u,,5,1", {}, "what is missing"),
            ("u,i", {}, "stars is missing"),
            ("u,i,5,1,9", {}, "it has more fields than there are columns"),
        ],
        ids=lambda value: repr(value) if isinstance(value, str) else "",
    )
    def test_a_table_of_ones_own_names_column_value_and_kind(self, tmp_path, line, options, fault):
        sound = "u,i,5,2020-01-01" if options else "u,i,5,1"
        path = written(tmp_path / "orders.csv", f"who,what,stars,when\n{sound}\n{line}\n")
        columns = {"user": "who", "item": "what", "rating": "stars", "time": "when"}
        with pytest.raises(
            RequestError, match=rf"orders\.csv, line 3: {fault}.* \(malformed: 1 of 2 rows\)\."
        ):
            rows("csv", path, **columns, **options)

    def test_a_parquet_table_names_column_value_and_kind(self, tmp_path):
        table = pl.DataFrame({"user": [1, 2], "item": [1, 2], "time": ["1", "noon"]})
        table.write_parquet(tmp_path / "a.parquet")
        with pytest.raises(RequestError, match='time is "noon", but it must be a whole number'):
            rows("parquet", tmp_path / "a.parquet", time="time")

    def test_times_of_a_parquet_table_are_not_cut_to_whole_numbers(self, tmp_path):
        table = pl.DataFrame({"user": [1, 2], "item": [1, 2], "time": [3.0, 4.5]})
        table.write_parquet(tmp_path / "a.parquet")
        with pytest.raises(
            RequestError, match=r'time is "4\.5", but it must be a whole number .*\(malformed: 1 of 2 rows\)'
        ):
            rows("parquet", tmp_path / "a.parquet", time="time")

    def test_the_header_counts_as_a_line(self, tmp_path):
        content = delimited(",", "user_id,parent_asin,rating,timestamp") + "u,i,5\n"
        with pytest.raises(RequestError, match="line 5"):
            rows("amazon-2023-csv", written(tmp_path / "a.csv", content))

    @pytest.mark.parametrize(
        "line",
        [
            '{"reviewerID": "u"',
            '{"reviewerID": "u", "asin": "i", "overall": 5.0}',
            '{"reviewerID": "u", "asin": "i", "overall": 5.0, "unixReviewTime": "1"}',
            "[1]",
        ],
    )
    def test_malformed_line_of_json(self, tmp_path, line):
        fields = ("reviewerID", "asin", "overall", "unixReviewTime")
        sound = json.dumps(dict(zip(fields, ROWS[0], strict=True)))
        path = written(tmp_path / "a.json.gz", f"{sound}\n{line}\n{sound}\n", compress=True)
        with pytest.raises(RequestError, match=r"a\.json\.gz.*line 2"):
            rows("amazon-2018-json", path)

    @pytest.mark.parametrize("reader", sorted(READERS))
    def test_missing_file(self, tmp_path, reader):
        with pytest.raises(RequestError, match="There is no file"):
            read(reader, tmp_path / "absent", {})

    @pytest.mark.parametrize("reader", sorted(set(READERS) - {"parquet"}))
    def test_truncated_gzip(self, tmp_path, reader):
        content = gzip.compress("".join(f"{number * number} " for number in range(5000)).encode())
        path = tmp_path / "a.gz"
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(RequestError, match=r"a\.gz"):
            read(reader, path, {}).collect()

    @pytest.mark.parametrize("reader", sorted(READERS))
    def test_content_of_another_form(self, tmp_path, reader):
        path = tmp_path / "a.bin"
        path.write_bytes(bytes(range(256)) * 40)
        with pytest.raises(RequestError, match=r"a\.bin"):
            read(reader, path, {}).collect()

    def test_truncated_zip(self, tmp_path):
        path = zipped(tmp_path / "a.zip", {"ml/u.data": delimited("\t").encode() * 50})
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(RequestError, match=r"a\.zip is damaged"):
            read("movielens-tab", path, {})

    def test_zip_without_the_member(self, tmp_path):
        path = zipped(tmp_path / "a.zip", {"ml/ratings.dat": b"", "ml/movies.dat": b""})
        with pytest.raises(RequestError, match=r'0 files called "u\.data"'):
            read("movielens-tab", path, {})
        with pytest.raises(RequestError, match="holds 2 files"):
            read("sasrec-pairs", path, {})

    def test_unknown_names(self, tmp_path):
        with pytest.raises(RequestError, match='Did you mean "movielens-tab"'):
            read("movielens-tabs", tmp_path / "a", {})
        with pytest.raises(RequestError, match='Did you mean "member"'):
            read("movielens-tab", tmp_path / "a", {"membre": "x"})


REAL = [
    ("movielens-tab", "ml-100k/ml-100k.zip", {}, 100_000, 943, 1_682),
    ("movielens-colons", "ml-1m/ml-1m-newest20.zip", {}, 200_042, 1_783, 3_511),
    ("movielens-csv", "ml-latest-small/ml-latest-small.zip", {}, 100_836, 610, 9_724),
    ("recbole-inter", "ml-100k/ml-100k.inter", {}, 100_000, 943, 1_682),
    ("sasrec-pairs", "ml-1m/sasrec_ml-1m.txt.gz", {}, 999_611, 6_040, 3_416),
    (
        "csv",
        "ml-1m/user_movie_pairs_official_order.txt.gz",
        {"header": False, "separator": ":", "user": 1, "item": 3},
        1_000_209,
        6_040,
        3_706,
    ),
    ("amazon-2014-json", "amazon-2014/reviews_Musical_Instruments_5.json.gz", {}, 10_261, 1_429, 900),
    ("amazon-2018-csv", "amazon-2018/Magazine_Subscriptions.csv.gz", {}, 89_689, 72_098, 2_428),
    ("amazon-2018-json", "amazon-2018/All_Beauty_5.json.gz", {}, 5_269, 991, 85),
    ("amazon-2023-csv", "amazon-2023/5core/rating_only/All_Beauty.csv.gz", {}, 2_535, 253, 356),
    ("amazon-2023-csv", "amazon-2023/5core/last_out_w_his/All_Beauty.train.csv.gz", {}, 2_029, 253, 341),
    ("s3rec-lines", "seq-amazon-2014/Beauty.txt.gz", {}, 198_502, 22_363, 12_101),
    ("s3rec-lines", "seq-amazon-2014/Sports_and_Outdoors.txt.gz", {}, 296_337, 35_598, 18_357),
    ("s3rec-lines", "seq-amazon-2014/Toys_and_Games.txt.gz", {}, 167_597, 19_412, 11_924),
    ("s3rec-lines", "seq-amazon-2014/Beauty.with_intervals.txt.gz", {}, 198_502, 22_363, 12_101),
    ("s3rec-lines", "seq-amazon-2014/Sports_and_Outdoors.with_intervals.txt.gz", {}, 296_337, 35_598, 18_357),
    ("s3rec-lines", "seq-amazon-2014/Toys_and_Games.with_intervals.txt.gz", {}, 167_597, 19_412, 11_924),
    ("lcrec-json", "seq-amazon-2014/LETTER_Beauty.inter.json.gz", {}, 198_502, 22_363, 12_101),
    ("sasrec-pairs", "seq-amazon-2014/bert4rec_beauty.txt.gz", {}, 353_962, 40_226, 54_542),
    ("lcrec-json", "seq-amazon-2018/LETTER_Instruments.inter.json.gz", {}, 206_153, 24_772, 9_922),
    ("lcrec-json", "seq-amazon-2018/MQL4GRec_Instruments.inter.json.gz", {}, 136_226, 17_112, 6_250),
]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("reader", "file", "options", "n_rows", "n_users", "n_items"), REAL, ids=[entry[1] for entry in REAL]
)
def test_real_counts(mirror, reader, file, options, n_rows, n_users, n_items):
    table = read(reader, mirror / file, options).collect()
    assert (len(table), table["user"].n_unique(), table["item"].n_unique()) == (n_rows, n_users, n_items)


@pytest.mark.real_data
def test_real_times_and_titles(mirror):
    raw = read("movielens-tab", mirror / "ml-100k/ml-100k.zip", {})
    table = raw.collect()
    assert (table["time"].min(), table["time"].max()) == (874_724_710, 893_286_638)
    assert dict(raw.titles.rows())["1"] == "Toy Story (1995)"
    assert "Misérables, Les (1995)" in raw.titles["title"]  # Latin-1
    newest = read("movielens-colons", mirror / "ml-1m/ml-1m-newest20.zip", {})
    assert len(newest.titles) == 3_883
    assert newest.collect()["time"].min() == 975_768_738
    assert len(read("movielens-csv", mirror / "ml-latest-small/ml-latest-small.zip", {}).titles) == 9_742
    milliseconds = read("amazon-2023-csv", mirror / "amazon-2023/5core/rating_only/All_Beauty.csv.gz", {})
    assert milliseconds.collect()["time"].max() == 1_678_171_704_867


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["Beauty", "Sports_and_Outdoors", "Toys_and_Games"])
def test_intervals_belong_to_the_plain_file(mirror, name):
    folder = mirror / "seq-amazon-2014"
    plain = rows("s3rec-lines", folder / f"{name}.txt.gz")
    timed = rows("s3rec-lines", folder / f"{name}.with_intervals.txt.gz")
    assert [row[:2] for row in plain] == [row[:2] for row in timed]
    assert min(row[3] for row in timed) == 0


@pytest.mark.real_data
def test_recbole_sequences_are_whole_up_to_their_cut(mirror):
    """The writer kept the latest 50 of a history, so only users with more than 51 interactions lose some."""
    folder = mirror / "seq-amazon-2018"
    whole = read("lcrec-json", folder / "MQL4GRec_Instruments.inter.json.gz", {}).collect()
    cut = read("recbole-inter", folder / "MQL4GRec_Instruments.test.inter.gz", {}).collect()
    expected = whole.group_by("user", maintain_order=True).tail(51)
    assert cut.select(pl.col("user", "item").cast(pl.String)).equals(
        expected.select(pl.col("user", "item").cast(pl.String))
    )
