"""Forms in which people have their files, and files that could fill the memory or end in a traceback."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import stat
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest

from lrbench.data.readers import RawInteractions, read, table_reader
from lrbench.data.readers.archive import RawFile
from lrbench.errors import RequestError

TABLE = "user,item,time\nann,tea,3\nbob,milk,1\n"
ROWS = [("ann", "tea", 3), ("bob", "milk", 1)]
TIMED = {"time": "time"}


def taken(path: Path, **options: object) -> RawInteractions:
    raw = read("csv", path, {**TIMED, **options})
    table = raw.collect().select(pl.col("user", "item").cast(pl.String), "time")
    assert table.rows() == ROWS
    return raw


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class TestCompression:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
    @pytest.mark.parametrize("name", ["t", "T.CSV", "t.csv.gz"])
    def test_by_content_not_by_name(self, tmp_path: Path, pack, name: str) -> None:
        assert taken(written(tmp_path / name, pack(TABLE.encode()))).notes == ()

    def test_gzip_of_several_parts(self, tmp_path: Path) -> None:
        start, rest = TABLE[:20].encode(), TABLE[20:].encode()
        taken(written(tmp_path / "t.gz", gzip.compress(start) + gzip.compress(rest)))

    @pytest.mark.parametrize("extra", ["__MACOSX/._t.csv", ".DS_Store", "readme.md", "folder/"])
    def test_zip_with_one_table(self, tmp_path: Path, extra: str) -> None:
        taken(zipped(tmp_path / "t.zip", {extra: b"", "folder/t.csv": TABLE.encode()}))

    def test_zip_with_a_compressed_table(self, tmp_path: Path) -> None:
        taken(zipped(tmp_path / "t.zip", {"t.csv.gz": gzip.compress(TABLE.encode())}), member="t.csv.gz")

    @pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, gzip.compress])
    def test_many_streams(self, tmp_path: Path, pack) -> None:
        """As parallel compressors write them: a stream for each block, which may be empty."""
        streams = [pack(TABLE[at : at + 3].encode()) for at in range(0, len(TABLE) + 3, 3)]
        taken(written(tmp_path / "t.csv", b"".join(streams)))

    @pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, gzip.compress])
    @pytest.mark.parametrize("damage", [b"junk", b"\0" * 64, b"B", b"BZh9", b"\xfd7zXZ\0", b"\x1f\x8b"])
    def test_what_follows_a_stream_is_never_left_out(self, tmp_path: Path, pack, damage: bytes) -> None:
        """A flipped bit at the start of a stream must not cut off the rest of the rows."""
        whole, rest = pack(TABLE.encode()), pack(b"cleo,milk,2\n")
        damaged = damage + rest[len(damage) :]
        for content in (whole + damage, whole + (damaged if damaged != rest else rest[:-1])):
            with pytest.raises(RequestError, match=r"t\.csv (is damaged|cannot be read)"):
                read("csv", written(tmp_path / "t.csv", content), TIMED).collect()

    @pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, gzip.compress])
    def test_a_stream_that_is_cut_off(self, tmp_path: Path, pack) -> None:
        content = pack(TABLE.encode())
        for length in (len(content) - 1, len(content) - 9, 20):
            with pytest.raises(RequestError, match=r"t\.csv is damaged"):
                read("csv", written(tmp_path / "t.csv", content + content[:length]), TIMED).collect()

    def test_zip_with_two_tables_needs_a_choice(self, tmp_path: Path) -> None:
        path = zipped(tmp_path / "t.zip", {"a.csv": TABLE.encode(), "b.csv": b"user,item,time\n"})
        with pytest.raises(RequestError, match=r'holds 2 files.*"member".*a\.csv, b\.csv'):
            taken(path)
        taken(path, member="a.csv")

    @pytest.mark.parametrize("member", ["", "t.csv"])
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_two_files_of_one_name(self, tmp_path: Path, member: str) -> None:
        with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
            archive.writestr("t.csv", TABLE)
            archive.writestr("t.csv", "user,item,time\n")
        with pytest.raises(RequestError, match=r"holds 2 files called t\.csv\. Pack the right one"):
            taken(tmp_path / "t.zip", member=member)

    def test_a_link_is_named(self, tmp_path: Path) -> None:
        link = zipfile.ZipInfo("t.csv")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
            archive.writestr(link, TABLE)
        with pytest.raises(RequestError, match=r"holds t\.csv as a link"):
            taken(tmp_path / "t.zip")

    @pytest.mark.parametrize("member", ["ml/ratings.csv", "ratings.csv"])
    @pytest.mark.parametrize("inside", ["ratings.csv", "other/ratings.csv", "ml/ratings.csv"])
    def test_an_archive_that_was_packed_again(self, tmp_path: Path, member: str, inside: str) -> None:
        taken(zipped(tmp_path / "t.zip", {inside: TABLE.encode(), "links.csv": b""}), member=member)

    @pytest.mark.parametrize(
        ("head", "told"),
        [
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"7z\xbc\xaf\x27\x1c", "7z"),
            (b"Rar!\x1a\x07", "RAR"),
            (b"ARROW1\0\0", "Arrow"),
            (b"\x89HDF\r\n", "HDF5"),
            (b"SQLite format 3\0", "SQLite"),
            (b"\xd0\xcf\x11\xe0", "Office"),
            (b"PAR1", "Parquet"),
        ],
    )
    def test_forms_that_no_reader_knows_are_named(self, tmp_path: Path, head: bytes, told: str) -> None:
        with pytest.raises(RequestError, match=told):
            taken(written(tmp_path / "t.csv", head + b"x" * 99))

    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
    def test_a_tar_archive_is_named(self, tmp_path: Path, mode: str) -> None:
        table = written(tmp_path / "table.csv", TABLE.encode())
        with tarfile.open(tmp_path / "t.csv", mode) as archive:
            archive.add(table, "table.csv")
        with pytest.raises(RequestError, match=r"is a tar archive\. Unpack it"):
            taken(tmp_path / "t.csv")

    @pytest.mark.parametrize("members", [{}, {"folder/": b""}, {"__MACOSX/._x.csv": b"x"}])
    def test_an_archive_without_files_is_named(self, tmp_path: Path, members: dict[str, bytes]) -> None:
        with pytest.raises(RequestError, match="is an archive without files"):
            taken(zipped(tmp_path / "t.zip", members))

    def test_a_workbook_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="Excel"):
            taken(zipped(tmp_path / "t.xlsx", {"xl/workbook.xml": b"", "xl/sheet.xml": b""}))


class TestText:
    @pytest.mark.parametrize(
        ("content", "note"),
        [
            (codecs.BOM_UTF8 + TABLE.encode(), "byte-order mark of UTF-8"),
            (TABLE.encode("utf-16"), "byte-order mark of UTF-16"),
            (codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"), "byte-order mark of UTF-16"),
        ],
    )
    def test_byte_order_marks(self, tmp_path: Path, content: bytes, note: str) -> None:
        (found,) = taken(written(tmp_path / "t.csv", content)).notes
        assert note in found

    def test_latin_1_is_found_and_said(self, tmp_path: Path) -> None:
        path = written(tmp_path / "t.csv", "user,item\nann,tea\nJosé,tea\n".encode("latin-1"))
        raw = read("csv", path, {})
        assert "José" in raw.collect()["user"]
        assert "line 3: this is not UTF-8. The file was read as Latin-1" in raw.notes[0]

    def test_an_encoding_that_was_named(self, tmp_path: Path) -> None:
        path = written(tmp_path / "t.csv", "user,item\n“ann”,tea\n".encode("cp1252"))
        raw = read("csv", path, {"encoding": "cp1252"})
        assert "“ann”" in raw.collect()["user"]
        assert raw.notes == ()
        with pytest.raises(RequestError, match="line 2: this is not utf-8"):
            read("csv", path, {"encoding": "utf-8"})
        with pytest.raises(RequestError, match='no encoding "latin-11"'):
            read("csv", path, {"encoding": "latin-11"})

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("quote", ["", '"'])
    def test_line_ends(self, tmp_path: Path, end: str, quote: str) -> None:
        text = TABLE.replace("tea", f"{quote}tea{quote}").replace("\n", end)
        taken(written(tmp_path / "t.csv", text))
        taken(written(tmp_path / "t.csv", text.removesuffix(end)))

    @pytest.mark.parametrize("quote", ["", '"'])
    @pytest.mark.parametrize("blank", ["\n", "\r\n", "  \n"])
    def test_blank_lines_are_left_out_and_counted(self, tmp_path: Path, blank: str, quote: str) -> None:
        text = TABLE.replace("tea", f"{quote}tea{quote}").replace("ann", f"{blank}ann") + blank
        (note,) = taken(written(tmp_path / "t.csv", text)).notes
        assert "2 blank lines left out" in note

    def test_lines_after_blank_ones_keep_their_number(self, tmp_path: Path) -> None:
        path = written(tmp_path / "t.csv", "\nuser,item,time\n\n\na,b,1\n\na,b,x\n")
        with pytest.raises(RequestError, match='line 7: time is "x"'):
            read("csv", path, TIMED).collect()

    @pytest.mark.parametrize("sign", ["\t", ";", "|", " "])
    def test_the_separator_is_found_and_said(self, tmp_path: Path, sign: str) -> None:
        (note,) = taken(written(tmp_path / "t.txt", TABLE.replace(",", sign))).notes
        assert "the separator is taken to be a " in note

    @pytest.mark.parametrize("spelling", ["\t", "\\t", "tab"])
    def test_spellings_of_a_tab(self, tmp_path: Path, spelling: str) -> None:
        assert taken(written(tmp_path / "t", TABLE.replace(",", "\t")), separator=spelling).notes == ()

    @pytest.mark.parametrize("separator", ["→", '"', "::", "\n"])
    def test_separators_that_cannot_be(self, tmp_path: Path, separator: str) -> None:
        with pytest.raises(RequestError, match="separator"):
            taken(written(tmp_path / "t", TABLE), separator=separator)

    @pytest.mark.parametrize("content", ["", "\n\n", " \r\n", "user,item,time\n", "user,item,time\n\n"])
    def test_nothing_in_it(self, tmp_path: Path, content: str) -> None:
        with pytest.raises(RequestError, match=r"is empty|no interactions") as caught:
            read("csv", written(tmp_path / "t.csv", content), TIMED).collect()
        assert caught.value.remedy


class TestQuotes:
    def rows(self, tmp_path: Path, *notes: str) -> RawInteractions:
        lines = [f"u{number},i,{number},{note}\n" for number, note in enumerate(notes)]
        path = written(tmp_path / "q.csv", "user,item,time,note\n" + "".join(lines))
        raw = read("csv", path, TIMED)
        assert raw.collect()["time"].to_list() == list(range(len(notes)))
        return raw

    def test_what_is_legal_is_read(self, tmp_path: Path) -> None:
        notes = [
            "plain",
            '"a, b"',
            '"say ""hi"""',
            '5" screen',
            '"two\nlines"',
            '"three\r\n\r\nlines, all"',
            "''",
        ]
        (note,) = self.rows(tmp_path, *notes).notes
        assert "2 rows with line breaks inside quotes (the first in line 6)" in note

    def test_a_column_without_a_name_as_r_writes_it(self, tmp_path: Path) -> None:
        path = written(tmp_path / "r.csv", '"","user","item"\n"1","a","b"\n"2","c","d"\n')
        assert read("csv", path, {}).collect()["user"].cast(pl.String).to_list() == ["a", "c"]
        path = written(tmp_path / "pandas.csv", ",user,item\n0,a,b\n1,c,d\n")
        assert read("csv", path, {}).collect()["user"].cast(pl.String).to_list() == ["a", "c"]

    def test_a_quote_that_never_closes_names_its_line(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="line 4: a quoted field begins here and never ends"):
            self.rows(tmp_path, "a", "b", '"c', "d", "e")

    def test_a_field_that_goes_on_after_its_quote(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="line 3: a quoted field goes on"):
            self.rows(tmp_path, "a", '"b" c', "d")

    def test_two_open_quotes_that_swallow_the_rows_between(self, tmp_path: Path) -> None:
        with pytest.raises(
            RequestError, match="line 3: a quoted field begins here and holds 2 lines that look"
        ):
            self.rows(tmp_path, "a", '"b', "c", "d", '"')

    def test_empty_ids_are_missing_whether_quoted_or_not(self, tmp_path: Path) -> None:
        for text in ('user,item\n"a","b"\n"","b"\n', "user,item\na,b\n,b\n", 'user,item\na,b\n"  ",b\n'):
            with pytest.raises(RequestError, match="line 3: user is missing"):
                read("csv", written(tmp_path / "t.csv", text), {}).collect()

    def test_a_long_field_that_nobody_asked_for(self, tmp_path: Path) -> None:
        self.rows(tmp_path, '"' + "x" * 200_000 + '"', "b")


class TestParquet:
    @pytest.mark.parametrize("name", ["t.parquet", "t.pq", "t.PARQUET", "t", "t.csv"])
    def test_by_content(self, tmp_path: Path, name: str) -> None:
        pl.DataFrame(ROWS, schema=["user", "item", "time"], orient="row").write_parquet(tmp_path / name)
        assert table_reader(tmp_path / name) == "parquet"
        assert table_reader(written(tmp_path / "other.pq", TABLE)) == "csv"
        assert len(read("parquet", tmp_path / name, TIMED).collect()) == 2

    def test_in_an_archive(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        pl.DataFrame(ROWS, schema=["user", "item", "time"], orient="row").write_parquet(buffer)
        path = zipped(tmp_path / "t.zip", {"t.parquet": buffer.getvalue()})
        assert table_reader(path) == "parquet"
        assert len(read("parquet", path, TIMED).collect()) == 2


class TestReviews:
    FIELDS = ("reviewerID", "asin", "overall", "unixReviewTime")

    def read(self, path: Path, *lines: str) -> list[str]:
        sound = json.dumps(dict(zip(self.FIELDS, ("a", "x", 5.0, 1), strict=True)))
        written(path, "\n".join([sound, *lines, sound]))
        return read("amazon-2018-json", path, {}).collect()["user"].cast(pl.String).to_list()

    @pytest.mark.parametrize(
        "line",
        [
            '{"reviewerID": "b", "asin": "x", "overall": 5, "unixReviewTime": 1, "vote": NaN}',
            '{"reviewerID": "b", "asin": "x", "overall": 5, "unixReviewTime": 1.0}',
            '{"reviewerID": "b", "asin": "x", "overall": 5, "unixReviewTime": 1, "reviewText": "\\ud800"}',
            '{"reviewerID": "b", "asin": 7, "overall": 5, "unixReviewTime": 1, "style": {"asin": "no"}}',
        ],
    )
    def test_what_pandas_and_others_write(self, tmp_path: Path, line: str) -> None:
        assert self.read(tmp_path / "r.json", line) == ["a", "b", "a"]

    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("5", "5"),
            ("5.0", "5"),
            ("1e3", "1000"),
            ("-0.0", "0"),
            (str(2**53 + 1), str(2**53 + 1)),
            (str(2**130), str(2**130)),
            ('"5.50"', "5.50"),
            ('"007"', "007"),
            (f"{2**53 + 1}.0", None),  # floating point has no such number, and would name another user
            ("5.5", None),
            ("12345678901234567890.5", None),
            ("1e30", None),
            ("true", None),
        ],
    )
    def test_numbers_as_ids_are_exact(self, tmp_path: Path, written: str, kept: str | None) -> None:
        line = f'{{"reviewerID": {written}, "asin": "x", "overall": 5, "unixReviewTime": 1}}'
        if kept is not None:
            assert self.read(tmp_path / "r.json", line) == ["a", kept, "a"]
            return
        with pytest.raises(RequestError, match='line 2: "reviewerID" is'):
            self.read(tmp_path / "r.json", line)

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ('{"reviewerID": "", "asin": "x", "overall": 5, "unixReviewTime": 1}', "\"reviewerID\" is ''"),
            ('{"reviewerID": ["b"], "asin": "x", "overall": 5, "unixReviewTime": 1}', '"reviewerID" is'),
            ('{"reviewerID": "\\ud800", "asin": "x", "overall": 5, "unixReviewTime": 1}', '"reviewerID" is'),
            ('{"reviewerID": "b", "asin": "x", "overall": NaN, "unixReviewTime": 1}', '"overall" is nan'),
            ('{"reviewerID": "b", "asin": "x", "overall": 5, "unixReviewTime": 1e30}', '"unixReviewTime" is'),
            ('{"reviewerID": "b", "asin": "x", "asin": "y", "overall": 5, "unixReviewTime": 1}', "twice"),
            ('{"reviewerID": "b", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "not JSON"),
        ],
        ids=range(7),
    )
    def test_what_is_at_fault_is_named(self, tmp_path: Path, line: str, told: str) -> None:
        with pytest.raises(RequestError, match="line 2") as caught:
            self.read(tmp_path / "r.json", line)
        assert told in caught.value.cause


class TestTitles:
    RATINGS = b"userId,movieId,rating,timestamp\n1,m1,5,1\n"

    def titles(self, tmp_path: Path, movies: bytes, reader: str = "movielens-csv") -> RawInteractions:
        ratings, lists = ("ratings.csv", "movies.csv") if "csv" in reader else ("ratings.dat", "movies.dat")
        content = self.RATINGS if "csv" in reader else b"1::m1::5::1\n"
        raw = read(reader, zipped(tmp_path / "m.zip", {f"ml/{ratings}": content, f"ml/{lists}": movies}), {})
        assert len(raw.collect()) == 1
        return raw

    def test_latin_1_and_doubles(self, tmp_path: Path) -> None:
        raw = self.titles(tmp_path, "movieId,title\nm1,Amélie\nm1,Again\n\n".encode("latin-1"))
        assert raw.titles is not None
        assert raw.titles.rows() == [("m1", "Amélie")]

    @pytest.mark.parametrize(
        ("movies", "told"),
        [
            (b"", "is empty"),
            (b"m1,Toy Story\n", "line 1: it does not name"),
            (b'movieId,title\nm0,x\nm1,"Toy\n', "line 3"),
            (b"movieId,title\nm1,City, The\n", "line 2: it has 3 fields"),
        ],
    )
    def test_a_list_that_cannot_be_read_is_left_out_with_a_note(
        self, tmp_path: Path, movies: bytes, told: str
    ) -> None:
        raw = self.titles(tmp_path, movies)
        assert raw.titles is None
        assert told in raw.notes[0]
        assert raw.notes[0].endswith("Titles are left out.")

    def test_a_line_without_a_title(self, tmp_path: Path) -> None:
        raw = self.titles(tmp_path, b"m1::Toy Story::Comedy\n   \nm2\n", "movielens-colons")
        assert raw.titles is None
        assert 'line 3: there is no "::"' in raw.notes[0]

    @pytest.mark.parametrize("line", ['{"asin": ["x"]}', '{"asin": "\\ud800"}', "-" * 200_000, "[" * 100_000])
    @pytest.mark.parametrize("reader", ["amazon-2014-csv", "amazon-2018-csv"])
    def test_metadata_that_are_none(self, tmp_path: Path, line: str, reader: str) -> None:
        ratings = written(tmp_path / "r.csv", "u,i,5,1\n")
        raw = read(reader, ratings, {"titles": str(written(tmp_path / "meta.json", line + "\n"))})
        assert raw.titles is None
        assert "meta.json, line 1" in raw.notes[0]


class TestBounds:
    """A file that decompresses to far more than text ever does is refused while it is read."""

    ZEROS = b"x" * (80 << 20)

    @pytest.mark.parametrize(
        "pack",
        [
            gzip.compress,
            *(pytest.param(pack, marks=pytest.mark.slow) for pack in (bz2.compress, lzma.compress)),
        ],
    )
    def test_bombs(self, tmp_path: Path, pack) -> None:
        path = written(tmp_path / "t.csv.gz", pack(self.ZEROS))
        with pytest.raises(RequestError, match=r"first line is longer"):
            taken(path)
        with pytest.raises(RequestError, match="decompresses to more than 64 MB"):
            RawFile(path, None).load()

    @pytest.mark.slow
    def test_bomb_after_a_sound_start(self, tmp_path: Path) -> None:
        rows = b"ann,tea,3\n" * (8 << 20)
        for path in (
            written(tmp_path / "t.csv.gz", gzip.compress(b"user,item,time\n" + rows)),
            zipped(tmp_path / "t.zip", {"t.csv": b"user,item,time\n" + rows}),
        ):
            with pytest.raises(RequestError, match="decompresses to more than 64 MB"):
                taken(path)

    def test_a_long_line(self, tmp_path: Path) -> None:
        path = written(tmp_path / "t.csv", b"user,item,time\n" + self.ZEROS)
        with pytest.raises(RequestError, match="line 2: it is longer than 64 MB"):
            taken(path)

    @pytest.mark.slow
    def test_parquet_with_nothing_but_repetitions(self, tmp_path: Path) -> None:
        rows = pl.select(pl.repeat("u", 30_000_000).alias("user"), pl.lit("i").alias("item"))
        rows.write_parquet(tmp_path / "t.parquet")
        with pytest.raises(RequestError, match=r"30,000,000 rows in [0-9,]+ bytes"):
            read("parquet", tmp_path / "t.parquet", {})
