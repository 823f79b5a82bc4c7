"""The filters that look at one user at a time: the rating threshold and repeats."""

from dataclasses import dataclass

import numpy as np

from lrbench.config.protocol import Filters
from lrbench.data.dataset import StepCounts
from lrbench.data.preparation.findings import TimeFindings, count_copies
from lrbench.data.preparation.interactions import CodedInteractions, first_of_pairs
from lrbench.data.preparation.spool import Spool
from lrbench.errors import FilterError

__all__ = ["SelectedRows", "select_rows"]


@dataclass(frozen=True)
class SelectedRows:
    """The rows that the filters left, and findings on the way."""

    rows: CodedInteractions
    """By user, then by time; with ratings if they are to be kept and every row of the source has one."""

    counts: list[StepCounts]
    """Sizes of the source and after each filter."""

    copies: int
    """How many rows of the source are exact copies of an earlier one."""

    times: TimeFindings
    """Findings on the times of the rows that reach the rating threshold."""


def select_rows(spool: Spool, filters: Filters, name: str) -> SelectedRows:
    """Order the rows of a source and filter them by rating and repeats.

    Raises:
        FilterError: there is a rating threshold, and a row has no rating.
        OSError: the scratch folder cannot be written, or is full.
    """
    if filters.min_rating is not None and not spool.has_ratings:
        raise FilterError(f'The source of "{name}" has no ratings to filter by.', "Leave min_rating out.")
    n_items = len(spool.rows_of_items)
    source, rated, first = (_Tally(n_items) for _ in range(3))
    left = _Rows(spool.count, spool.has_times, filters.keep_ratings and spool.has_ratings)
    copies, times = 0, TimeFindings()
    for part in spool.in_order():
        rows = part
        source.add(rows)
        copies += count_copies(rows)
        if filters.min_rating is not None and rows.ratings is not None:
            rows = rows.take(rows.ratings >= filters.min_rating)
            rated.add(rows)
        times.look_at(rows)
        if filters.repeats == "first":
            rows = rows.take(first_of_pairs(rows.users, rows.items))
            first.add(rows)
        left.add(rows)
    counts = [source.counts("source")]
    if filters.min_rating is not None:
        counts.append(rated.counts(f"rating at least {filters.min_rating:g}"))
    if filters.repeats == "first":
        counts.append(first.counts("earliest row of each user and item"))
    return SelectedRows(left.rows(), counts, copies, times)


class _Tally:
    """Counts what is left after a step; each part that is added holds whole users."""

    def __init__(self, n_items: int) -> None:
        self._has_item = np.zeros(n_items, dtype=np.bool_)
        self._users = self._interactions = 0

    def add(self, rows: CodedInteractions) -> None:
        self._has_item[rows.items] = True
        self._users += int(np.count_nonzero(np.diff(rows.users))) + bool(len(rows.users))  # users in order
        self._interactions += len(rows.users)

    def counts(self, step: str) -> StepCounts:
        items = int(np.count_nonzero(self._has_item))
        return StepCounts(step=step, users=self._users, items=items, interactions=self._interactions)


class _Rows:
    """Collects parts of rows in arrays as long as the source. Memory that is never written is never used."""

    def __init__(self, count: int, has_times: bool, has_ratings: bool) -> None:
        self._users, self._items = (np.empty(count, dtype=np.int32) for _ in range(2))
        self._times = np.empty(count, dtype=np.int64) if has_times else None
        self._ratings = np.empty(count, dtype=np.float64) if has_ratings else None
        self._count = 0

    def add(self, rows: CodedInteractions) -> None:
        place = slice(self._count, self._count + len(rows.users))
        self._users[place], self._items[place] = rows.users, rows.items
        if self._times is not None and rows.times is not None:
            self._times[place] = rows.times
        if self._ratings is not None and rows.ratings is not None:
            self._ratings[place] = rows.ratings
        self._count = place.stop

    def rows(self) -> CodedInteractions:
        times = None if self._times is None else self._times[: self._count]
        ratings = None if self._ratings is None else self._ratings[: self._count]
        return CodedInteractions(self._users[: self._count], self._items[: self._count], times, ratings)
