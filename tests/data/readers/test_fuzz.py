"""Damaged, odd and mutated files: the same rows as a plain reference reader, or an error in one sentence."""

import bz2
import gzip
import io
import json
import lzma
import random
import zipfile
from itertools import islice, zip_longest
from pathlib import Path

import polars as pl
import pytest
from reference_readers import REFERENCES, Row

from lrbench.data.readers import read
from lrbench.data.readers.archive import open_raw
from lrbench.errors import RequestError

ROWS = [(f"u{n % 4}", f"i{n % 5}", n % 5 + 0.5, 1_600_000_000 + 7 * n) for n in range(24)]
PAIRS = [(user, item) for user, item, _, _ in ROWS]
TOKENS = (
    *(
        b'"',
        b'""',
        b"'",
        b",",
        b";",
        b"\t",
        b" ",
        b"::",
        b"|",
        b"\\",
        b"#",
        b"{",
        b"}",
        b"[",
        b"]",
        b"[]",
        b"{}",
    ),
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\n \n", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xe9", "é😀".encode()),
    *(
        b"NaN",
        b"nan",
        b"inf",
        b"null",
        b"true",
        b"-1",
        b"1e3",
        b"1e400",
        b"0x1",
        b"1.5",
        b"1_0",
        b"+5",
        b" 5",
    ),
    *(b"5 ", b"9223372036854775808", b"9007199254740993.0", b'"\\ud800"', b"user", b'5" screen', b'"a, b"'),
    b'"two\nlines"',
)


def joined(separator: str, order: tuple[int, ...] = (0, 1, 2, 3), header: str = "") -> str:
    lines = [separator.join(str(row[place]) for place in order) for row in ROWS]
    return "\n".join([*([header] if header else []), *lines]) + "\n"


def reviews(*fields: str) -> str:
    return "".join(
        json.dumps({**dict(zip(fields, row, strict=True)), "text": 'so "so", ok'}) + "\n" for row in ROWS
    )


def by_user(separator: str) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for user, item in PAIRS:
        users.setdefault(user, []).append(item)
    return users


SOUND = {
    "movielens-tab": joined("\t"),
    "movielens-colons": joined("::"),
    "movielens-csv": joined(",", header="userId,movieId,rating,timestamp"),
    "amazon-2014-csv": joined(","),
    "amazon-2018-csv": joined(",", (1, 0, 2, 3)),
    "amazon-2023-csv": joined(",", header="user_id,parent_asin,rating,timestamp"),
    "amazon-2014-json": reviews("reviewerID", "asin", "overall", "unixReviewTime"),
    "amazon-2018-json": reviews("reviewerID", "asin", "overall", "unixReviewTime"),
    "amazon-2023-json": reviews("user_id", "parent_asin", "rating", "timestamp"),
    "s3rec-lines": "".join(f"{user} {' '.join(items)}\n" for user, items in by_user(" ").items()),
    "sasrec-pairs": joined(" ", (0, 1)),
    "lcrec-json": json.dumps(by_user(" ")),
    "recbole-inter": joined("\t", header="user_id:token\titem_id:token\trating:float\ttimestamp:float"),
    "csv": joined(",", header="user,item,rating,time"),
}
OPTIONS = {"csv": {"rating": "rating", "time": "time", "separator": ","}}


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Change a file in one to three places."""
    for _ in range(chance.randint(1, 3)):
        at, end = sorted((chance.randrange(len(content) + 1), chance.randrange(len(content) + 1)))
        token = chance.choice(TOKENS)
        match chance.randrange(7):
            case 0:
                content = content[:at] + token + content[at:]
            case 1:
                content = content[:at] + token + content[at + len(token) :]
            case 2:
                content = content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]
            case 3:
                content = content[:at] + content[min(end, at + 40) :]
            case 4:
                content = content[:end] + content[at:]
            case 5:
                content = content[:end]
            case 6:  # one field becomes something else
                start = content.rfind(b"\n", 0, at) + 1
                content = content[:start] + token + content[start:]
    return content


def rows_of(reader: str, path: Path) -> list[Row] | None:
    """The rows that lrbench reads; `None` if it refuses the file."""
    try:
        table = read(reader, path, OPTIONS.get(reader, {})).collect()
    except RequestError as error:
        assert error.cause
        assert path.name in str(error)
        return None
    return table.with_columns(pl.col("user", "item").cast(pl.String)).rows()  # type: ignore[return-value]


def expected(reader: str, content: bytes) -> list[Row] | None:
    try:
        return REFERENCES[reader](content)
    except (ValueError, RecursionError):
        return None


def check_mutations(reader: str, folder: Path, number: int, seed: int, sound: bytes | None = None) -> None:
    chance = random.Random(f"{reader} {seed}")
    for case in range(number):
        content = mutated(sound or SOUND[reader].encode(), chance)
        path = folder / f"case{case}.txt"
        path.write_bytes(content)
        found = rows_of(reader, path)
        right = expected(reader, content)
        differing = [pair for pair in zip_longest(found or [], right or []) if pair[0] != pair[1]]
        assert found is None or found == right, f"{differing[:2]} {content!r}"
        path.unlink()


@pytest.mark.parametrize("reader", sorted(REFERENCES))
def test_sound_files_are_read_as_the_reference_reads_them(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "sound.txt"
    path.write_text(SOUND[reader], encoding="utf-8")
    assert rows_of(reader, path) == expected(reader, SOUND[reader].encode()) != None  # noqa: E711


@pytest.mark.parametrize("reader", sorted(REFERENCES))
def test_mutated_files(tmp_path: Path, reader: str) -> None:
    check_mutations(reader, tmp_path, 40, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("reader", sorted(REFERENCES))
def test_many_mutated_files(tmp_path: Path, reader: str, campaign_size: int) -> None:
    check_mutations(reader, tmp_path, 100 * campaign_size, seed=3)


def packed(kind: str, content: bytes) -> bytes:
    match kind:
        case "gzip":
            return gzip.compress(content, mtime=0)
        case "bzip2":
            return bz2.compress(content)
        case "xz":
            return lzma.compress(content)
    buffer = io.BytesIO()
    methods = {
        "zip": zipfile.ZIP_DEFLATED,
        "zip of lzma": zipfile.ZIP_LZMA,
        "zip of bzip2": zipfile.ZIP_BZIP2,
    }
    with zipfile.ZipFile(buffer, "w", methods[kind]) as archive:
        archive.writestr("folder/table.csv", content)
    return buffer.getvalue()


def check_containers(kind: str, folder: Path, number: int, seed: int) -> None:
    sound = SOUND["csv"].encode()
    right = expected("csv", sound)
    chance = random.Random(f"{kind} {seed}")
    for case in range(number):
        content = mutated(packed(kind, sound), chance)
        path = folder / f"case{case}.bin"
        path.write_bytes(content)
        assert rows_of("csv", path) in (None, right, expected("csv", content)), content
        path.unlink()


KINDS = ["gzip", "bzip2", "xz", "zip", "zip of lzma", "zip of bzip2"]


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_containers(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sound.bin"
    path.write_bytes(packed(kind, SOUND["csv"].encode()))
    assert rows_of("csv", path) == expected("csv", SOUND["csv"].encode())
    check_containers(kind, tmp_path, 40, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_containers(tmp_path: Path, kind: str, campaign_size: int) -> None:
    check_containers(kind, tmp_path, 50 * campaign_size, seed=3)


def check_parquet(folder: Path, number: int, seed: int) -> None:
    """Without a checksum, a damaged Parquet file gives a clear error or a table of the right kind."""
    buffer = io.BytesIO()
    pl.DataFrame(ROWS, schema=["user", "item", "rating", "time"], orient="row").write_parquet(buffer)
    chance = random.Random(f"parquet {seed}")
    for case in range(number):
        path = folder / f"case{case}.parquet"
        path.write_bytes(mutated(buffer.getvalue(), chance))
        rows_of("parquet", path)
        path.unlink()


def test_mutated_parquet(tmp_path: Path) -> None:
    check_parquet(tmp_path, 60, seed=1)


@pytest.mark.slow
def test_much_mutated_parquet(tmp_path: Path, campaign_size: int) -> None:
    check_parquet(tmp_path, 150 * campaign_size, seed=3)


REAL = [
    ("movielens-tab", "ml-100k/ml-100k.zip", "u.data"),
    ("movielens-colons", "ml-1m/ml-1m-newest20.zip", "ratings.dat"),
    ("movielens-csv", "ml-latest-small/ml-latest-small.zip", "ratings.csv"),
    ("recbole-inter", "ml-100k/ml-100k.inter", ""),
    ("sasrec-pairs", "ml-1m/sasrec_ml-1m.txt.gz", ""),
    ("amazon-2014-json", "amazon-2014/reviews_Musical_Instruments_5.json.gz", ""),
    ("amazon-2018-csv", "amazon-2018/Magazine_Subscriptions.csv.gz", ""),
    ("amazon-2018-json", "amazon-2018/All_Beauty_5.json.gz", ""),
    ("amazon-2023-csv", "amazon-2023/5core/rating_only/All_Beauty.csv.gz", ""),
    ("s3rec-lines", "seq-amazon-2014/Beauty.txt.gz", ""),
    ("s3rec-lines", "seq-amazon-2014/Beauty.with_intervals.txt.gz", ""),
]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(("reader", "file", "member"), REAL, ids=[file for _, file, _ in REAL])
def test_mutated_heads_of_real_files(
    tmp_path: Path, mirror: Path, reader: str, file: str, member: str, campaign_size: int
) -> None:
    head = b"".join(islice(open_raw(mirror / file, member).lines(), 25))
    path = tmp_path / "head.txt"
    path.write_bytes(head)
    assert rows_of(reader, path) == expected(reader, head) != None  # noqa: E711
    check_mutations(reader, tmp_path, 25 * campaign_size, seed=4, sound=head)
