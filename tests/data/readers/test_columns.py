"""Every type and form that a column can have: kept exactly, or refused with the row and what it must be."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from lrbench.data.readers import read, tables
from lrbench.errors import RequestError
from lrbench.panics import panics_as_errors

REFUSED = "refused"
DAY = 86_400_000_000


def kept(folder: Path, role: str, values: list[Any], kind: Any) -> Any:
    """The first value of a column as lrbench keeps it, read from Parquet."""
    columns = {"user": ["u"] * len(values), "item": ["i"] * len(values)}
    series = pl.Series(values, dtype=kind)
    pl.DataFrame({**columns, role: series}).write_parquet(folder / "table.parquet")
    options = {} if role in ("user", "item") else {role: role}
    table = read("parquet", folder / "table.parquet", options).collect()
    return table[role].cast(pl.String)[0] if role in ("user", "item") else table[role][0]


IDS = [
    (pl.String, "a b", "a b"),
    (pl.String, " a", " a"),
    (pl.String, "007", "007"),
    (pl.String, "", REFUSED),
    (pl.String, "  ", REFUSED),
    (pl.String, None, REFUSED),
    (pl.Categorical, "x", "x"),
    (pl.Enum(["x"]), "x", "x"),
    (pl.Binary, b"x", "x"),
    (pl.Binary, b"\xff", REFUSED),
    (pl.Int8, -1, "-1"),
    (pl.UInt64, 2**64 - 1, "18446744073709551615"),
    (pl.Int64, None, REFUSED),
    (pl.Float64, 5.0, "5"),
    (pl.Float64, float(2**53 - 1), str(2**53 - 1)),
    (pl.Float64, float(2**53), REFUSED),  # 2⁵³ + 1 is the same number
    (pl.Float64, 5.5, REFUSED),
    (pl.Float64, float("nan"), REFUSED),
    (pl.Float64, float("inf"), REFUSED),
    (pl.Float32, float(2**24 - 1), str(2**24 - 1)),
    (pl.Float32, float(2**24), REFUSED),
    (pl.Float16, 2047.0, "2047"),
    (pl.Float16, 2048.0, REFUSED),
    (pl.Float16, 1.5, REFUSED),
    (pl.Float16, float("nan"), REFUSED),
    (pl.Decimal(10, 2), Decimal("1.50"), "1.50"),
    (pl.Boolean, True, REFUSED),
    (pl.Date, date(2020, 1, 1), REFUSED),
    (pl.List(pl.Int64), [1], REFUSED),
    (pl.Struct({"a": pl.Int64}), {"a": 1}, REFUSED),
    (pl.Null, None, REFUSED),
]
RATINGS = [
    (pl.String, "4.5", 4.5),
    (pl.String, " 4 ", 4.0),
    (pl.String, "NaN", REFUSED),
    (pl.String, "inf", REFUSED),
    (pl.String, "4,5", REFUSED),
    (pl.Int32, 4, 4.0),
    (pl.Float64, 4.1, 4.1),
    (pl.Float32, 4.1, 4.1),  # widened by its bits it would be 4.0999999 and fail a threshold of 4.1
    (pl.Float64, float("nan"), REFUSED),
    (pl.Float64, float("-inf"), REFUSED),
    (pl.Float32, float("nan"), REFUSED),
    (pl.Float16, 4.1, 4.1),
    (pl.Float16, float("inf"), REFUSED),
    (pl.Decimal(3, 1), Decimal("4.1"), 4.1),
    (pl.Boolean, False, REFUSED),  # in a CSV file it is the word "false"
    (pl.Null, None, REFUSED),
    (pl.Datetime, datetime(2020, 1, 1), REFUSED),
]
BERLIN = ZoneInfo("Europe/Berlin")
TIMES = [
    (pl.Int64, 2**63 - 1, 2**63 - 1),
    (pl.UInt64, 2**63, REFUSED),
    (pl.Float64, 1.6e9, 1_600_000_000),
    (pl.Float64, 1.5, REFUSED),
    (pl.Float64, 2.0**60, REFUSED),
    (pl.Float64, float("nan"), REFUSED),
    (pl.Float16, 1.5, REFUSED),
    (pl.Float16, 5.0, 5),
    (pl.Float32, 1.6e9, REFUSED),  # single precision keeps two minutes of it
    (pl.Decimal(20, 0), Decimal(9007199254740993), 9007199254740993),
    (pl.Decimal(20, 1), Decimal("5.0"), 5),
    (pl.Decimal(20, 1), Decimal("5.5"), REFUSED),
    (pl.String, "9007199254740993", 9007199254740993),
    (pl.String, "9007199254740993.0", REFUSED),
    (pl.String, "1.5e9", 1_500_000_000),
    (pl.String, "noon", REFUSED),
    (pl.Date, date(1970, 1, 2), DAY),
    (pl.Datetime("ms"), datetime(1970, 1, 2), DAY),
    (pl.Datetime("us"), datetime(1970, 1, 1, 0, 0, 0, 607), 607),
    (pl.Datetime("ns"), datetime(1970, 1, 2), DAY),
    (pl.Datetime("us", "UTC"), datetime(1970, 1, 2, tzinfo=UTC), DAY),
    (pl.Datetime("us", "Europe/Berlin"), datetime(1970, 1, 2, 1, tzinfo=BERLIN), DAY),
    (pl.Duration, timedelta(1), REFUSED),
    (pl.Boolean, True, REFUSED),
    (pl.Null, None, REFUSED),
]


@pytest.mark.parametrize(
    ("role", "kind", "value", "expected"),
    [
        *(("user", *case) for case in IDS),
        *(("item", *case) for case in IDS),
        *(("rating", *case) for case in RATINGS),
        *(("time", *case) for case in TIMES),
    ],
    ids=str,
)
def test_types(tmp_path: Path, role: str, kind: Any, value: Any, expected: Any) -> None:
    if expected == REFUSED:
        with pytest.raises(RequestError, match=f"{role}|invalid utf8"):
            kept(tmp_path, role, [value], kind)
    else:
        assert kept(tmp_path, role, [value], kind) == expected


def test_nanoseconds_are_kept_or_refused(tmp_path: Path) -> None:
    table = pl.DataFrame({"user": ["u"] * 2, "item": ["i"] * 2, "time": [1_000, 1_001]})
    table.with_columns(pl.col("time").cast(pl.Datetime("ns"))).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(RequestError, match=r"row 2: time is .* with at most microseconds"):
        read("parquet", tmp_path / "a.parquet", {"time": "time"}).collect()


def test_dates_that_microseconds_cannot_hold_are_refused(tmp_path: Path) -> None:
    table = pl.DataFrame({"user": ["u"], "item": ["i"], "time": [200_000_000]})
    table.with_columns(pl.col("time").cast(pl.Int32).cast(pl.Date)).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(RequestError, match="row 1"):
        read("parquet", tmp_path / "a.parquet", {"time": "time"}).collect()


def times(folder: Path, form: str, *written: str) -> list[int]:
    rows = "".join(f'u,i,"{value}"\n' for value in written)
    (folder / "t.csv").write_text(f"user,item,time\n{rows}")
    return read("csv", folder / "t.csv", {"time": "time", "time_format": form}).collect()["time"].to_list()


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("%Y-%m-%dT%H:%M:%S.%fZ", "2020-09-13T13:50:00.607Z"),
        ("%Y-%m-%d %H:%M:%S.%f", "2020-09-13 13:50:00.000001"),
        ("%Y-%m-%d %H:%M:%S", "2020-09-13 13:50:01"),
        ("%d.%m.%Y, %H:%M", "13.09.2020, 13:50"),
        ("%m/%d/%y %I:%M %p", "09/13/20 01:50 PM"),
        ("%Y-%m-%d %H:%M:%S%z", "2020-09-13 13:50:00+0230"),
        ("%a %b %d %H:%M:%S %Y", "Sun Sep 13 13:50:00 2020"),
        ("%Y-%j", "2020-257"),
        ("%Y%m%d", "20200913"),
    ],
)
def test_time_formats_mean_what_they_mean_to_python(tmp_path: Path, form: str, written: str) -> None:
    moment = datetime.strptime(written, form)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert times(tmp_path, form, written) == [expected]


def test_fractions_order_clicks_within_a_second(tmp_path: Path) -> None:
    found = times(tmp_path, "%Y-%m-%d %H:%M:%S.%f", *(f"2020-01-01 00:00:00.{n}" for n in ("607", "5", "12")))
    assert [moment % 1_000_000 for moment in found] == [607_000, 500_000, 120_000]


@pytest.mark.parametrize("written", ["2020-01-01 00:00:00.1234567", "2020-01-01 00:00:00.0000000001"])
def test_fractions_beyond_microseconds_are_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(RequestError, match="line 2"):
        times(tmp_path, "%Y-%m-%d %H:%M:%S.%f", written)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("%H:%M", "no year"),
        ("%m-%d", "no year"),
        ("%Y-%m-%d %H:%M %Z", "zones"),
        ("%Y-%m-%d %H:%M:%S,%f", "after a point"),
        ("%Y-%m-%d %H:%M:%S%f", "after a point"),
    ],
)
def test_time_formats_that_lose_something_are_refused(tmp_path: Path, form: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        times(tmp_path, form, "x")


def test_a_time_format_needs_a_column_of_times(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("user,item,time\nu,i,2020-01-01\n")
    with pytest.raises(RequestError, match="time_format needs a column of times"):
        read("csv", tmp_path / "t.csv", {"time_format": "%Y-%m-%d"})


@pytest.mark.parametrize(
    "roles", [{"item": "user"}, {"user": 2}, {"time": "item"}, {"rating": "time", "time": 3}], ids=str
)
def test_one_column_has_one_role(tmp_path: Path, roles: dict[str, Any]) -> None:
    (tmp_path / "t.csv").write_text("user,item,time\nu,i,1\n")
    with pytest.raises(RequestError, match="cannot be both"):
        read("csv", tmp_path / "t.csv", roles)


def test_numbers_of_half_precision_are_their_shortest_decimals(tmp_path: Path) -> None:
    short = np.array([*(n / 10 for n in range(-100, 101)), *(n / 100 for n in range(500)), 6e-8, 65500.0])
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    numbers = np.concatenate([short.astype(np.float16), every[np.isfinite(every)]])
    table = {"user": ["u"] * len(numbers), "item": ["i"] * len(numbers)}
    ratings = pl.Series("rating", numbers.astype(np.float64)).cast(pl.Float16)
    pl.DataFrame({**table, "rating": ratings}).write_parquet(tmp_path / "half.parquet")
    found = read("parquet", tmp_path / "half.parquet", {"rating": "rating"}).collect()["rating"].to_numpy()
    assert found[: len(short)].tolist() == short.tolist()
    assert (found.astype(np.float16) == numbers).all()


def test_a_time_zone_that_polars_does_not_know_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pandas writes fixed offsets so; Polars refuses the file even if nobody asks for the column."""

    def panicking(table: pl.LazyFrame) -> None:
        with panics_as_errors():
            raise pl.exceptions.PanicException("…ErrString(\"unable to parse time zone: '+05:30'.\")")

    pl.DataFrame({"user": ["u"], "item": ["i"]}).write_parquet(tmp_path / "zone.parquet")
    monkeypatch.setattr(tables, "schema_of", panicking)
    with pytest.raises(RequestError, match=r'zone\.parquet has a column in the time zone "\+05:30"'):
        read("parquet", tmp_path / "zone.parquet", {})
