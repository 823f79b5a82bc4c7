"""What a reader of results is told of a source's rows."""

import polars as pl
import pytest

from lrbench.config.protocol import Filters
from lrbench.data.dataset import DatasetRecord, Origin
from lrbench.data.preparation.prepare import prepare
from lrbench.data.readers import RawInteractions
from lrbench.data.readers.raw import COLUMNS

ORIGIN = Origin(name="toy", edition="a toy", source="nowhere", source_sha256="00", reader="csv")


def record(rows, **fields) -> DatasetRecord:
    frame = pl.LazyFrame(rows, schema=COLUMNS, orient="row")
    return prepare(RawInteractions(frame, **fields), ORIGIN, Filters(k_core=0)).record


def rows(*times: int | None) -> list[tuple[str, str, float | None, int | None]]:
    return [("u", f"i{number}", None, time) for number, time in enumerate(times)]


def test_nothing_to_tell() -> None:
    assert record(rows(1, 2, 3)).notes == ()


def test_exact_copies() -> None:
    (note,) = record(rows(1, 2, 3) * 2).notes
    assert note.startswith("3 of 6 rows of the source (50%) are exact copies of an earlier row")
    assert record([*rows(*range(40)), ("u", "i0", None, 0)]).notes == ()  # 1 of 41
    assert (
        record(rows(None, None) * 2).notes == ()
    )  # without times, a repeated row may be a second interaction
    assert record([("u", "i", 4.0, 1), ("u", "i", 5.0, 1), ("u", "j", 5.0, 2)]).notes == ()  # other ratings


def test_times_that_order_nothing() -> None:
    (note,) = record(rows(7, 7, 7)).notes
    assert note == "All interactions of a user have the same time, so their order is that of the file."
    assert record([("u", "i", None, 1), ("v", "i", None, 1)]).notes == ()  # one interaction has no order


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ((1_600_000_000, 1_600_000_000_000), "1 like seconds, 1 like milliseconds"),
        ((1_600_000_000, 1_600_000_000_000_000, 7, -5), "1 like seconds, 1 like microseconds"),
        ((1_600_000_000, 1_600_000_000 * 10**9), "1 like seconds, 1 like nanoseconds"),
        ((1_600_000_000, 1_500_000_000), ""),
        ((1_600_000_000_000, 0), ""),
        ((150_000_000, 50_000_000_000, 150_000_000_000), ""),  # counted from some start
        ((-1_600_000_000, 1_600_000_000_000), ""),
    ],
)
def test_times_in_several_units(times: tuple[int, ...], told: str) -> None:
    notes = record(rows(*times)).notes
    assert notes == (
        (f"Times look as if they had several units ({told}), so their order means little.",) if told else ()
    )


@pytest.mark.parametrize("written", ["nan", "NULL", "None", "<NA>"])
def test_ids_that_may_mean_that_there_is_none(written: str) -> None:
    (note,) = record([*rows(1, 2), (written, "i", None, 3), (written, "j", None, 4)]).notes
    assert note == f'2 rows have the user "{written}", which may mean that the user is not known.'
    (note,) = record([*rows(1, 2), ("v", written, None, 3)]).notes
    assert note == f'1 row has the item "{written}", which may mean that the item is not known.'


def test_what_was_decided_while_reading_is_kept_apart() -> None:
    found = record(rows(1, 2), notes=("t.csv: 1 blank line left out (line 2).",), own_clocks=True)
    assert found.reading == ("t.csv: 1 blank line left out (line 2).",)
    assert found.own_clocks
    assert len(found.notes) == 1
    again = DatasetRecord.model_validate_json(found.model_dump_json())
    assert again == found


def test_names_with_control_characters_can_be_read_back() -> None:
    found = record(rows(1, 2), notes=("a\x1bb.csv: 1 blank line left out.",))
    assert DatasetRecord.model_validate_json(found.model_dump_json()) == found
