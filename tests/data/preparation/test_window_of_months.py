"""A window of months that grows into the past."""

from datetime import UTC, datetime

import polars as pl
import pytest

from lrbench.config.protocol import PROTOCOLS, Filters, Window
from lrbench.data.dataset import Origin
from lrbench.data.preparation.prepare import fingerprint, prepare
from lrbench.data.readers import RawInteractions
from lrbench.data.readers.raw import COLUMNS
from lrbench.data.time_units import per_second
from lrbench.errors import FilterError

ORIGIN = Origin(name="toy", edition="a toy", source="", source_sha256="00", reader="csv")

# One item a month, bought by both users on its first day, from January 2017 to December 2018.
MONTHS = [(year, month) for year in (2017, 2018) for month in range(1, 13)]


def prepared(least_items: int, unit: int = 1, odd: tuple[int, ...] = (), **fields):  # type: ignore[no-untyped-def]
    rows = [
        (user, f"{year}-{month:02}", None, int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * unit)
        for user in ("a", "b")
        for year, month in MONTHS
    ] + [("a", "odd", None, time) for time in odd]
    raw = RawInteractions(pl.LazyFrame(rows, schema=COLUMNS, orient="row"), **fields)
    window = Window(first="2018-06", end="2018-09", step=3, least_items=least_items)
    return prepare(raw, ORIGIN, Filters(k_core=2, window=window))


@pytest.mark.parametrize("unit", [1, 1000, 10**6, 10**9])
@pytest.mark.parametrize(
    ("least_items", "first", "items"),
    [(1, "2018-06", 3), (3, "2018-06", 3), (4, "2018-03", 6), (7, "2017-12", 9)],
)
def test_the_window_grows_until_there_are_enough_items(
    least_items: int, first: str, items: int, unit: int
) -> None:
    dataset = prepared(least_items, unit)
    ids = dataset.item_ids.to_list()
    assert len(ids) == items
    assert (min(ids), max(ids)) == (max(first, "2017-01"), "2018-08")
    steps = [count.step for count in dataset.record.counts]
    assert steps == ["source", f"from {first} to before 2018-09", "2-core"]


def test_a_source_without_enough_items_in_any_window_is_refused() -> None:
    with pytest.raises(FilterError, match='"toy" before 2018-09 has 20 items, and 21 are needed'):
        prepared(21)
    assert len(prepared(20).item_ids) == 20


@pytest.mark.parametrize("odd", [-(2**63), -63_000_000_000, -1, 0, 2**63 - 1])
def test_single_wrong_times_change_no_window(odd: int) -> None:
    """A mark of a missing time may be the smallest number, and a slip another unit."""
    for least_items in (3, 4, 20):
        assert prepared(least_items, odd=(odd,)).item_ids.equals(prepared(least_items).item_ids)
    with pytest.raises(FilterError, match="has 20 items, and 21 are needed"):
        prepared(21, odd=(odd,))


def test_a_window_needs_dates() -> None:
    with pytest.raises(FilterError, match='"toy" has no dates'):
        prepared(1, own_clocks=True)


def test_a_window_makes_another_preparation_and_none_the_same_as_before() -> None:
    filters = Filters(k_core=5)
    assert filters.settings == {"min_rating": None, "repeats": "keep", "k_core": 5}
    windowed = PROTOCOLS["llm-time-10"].filters
    assert fingerprint(ORIGIN, windowed) != fingerprint(ORIGIN, filters)


def test_units_are_told_by_size() -> None:
    times = pl.Series([1_500_000_000]).to_numpy()
    for unit in (1, 1000, 10**6, 10**9):
        assert per_second(times * unit) == unit
    assert per_second(times[:0]) == 1
