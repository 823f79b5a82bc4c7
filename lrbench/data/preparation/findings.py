"""What a person must know about a source's rows to judge results: facts under which metrics mean little."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from lrbench.arrays import Int64s
from lrbench.data.preparation.interactions import CodedInteractions
from lrbench.wording import counted

__all__ = ["OWN_CLOCKS", "TimeFindings", "copies_note", "count_copies", "missing_id_notes"]

OWN_CLOCKS = "Times count from each user's own first interaction and cannot be compared between users."

_MISSING = ("nan", "null", "none", "na", "n/a", "<na>", "nat", "undefined")
_LONGEST_MISSING = max(map(len, _MISSING))  # they are ASCII
_MANY_COPIES = 0.05

_FIRST = 100_000_000
_SPAN = 100
_UNITS = {
    "seconds": _FIRST,
    "milliseconds": _FIRST * 1000,
    "microseconds": _FIRST * 1000**2,
    "nanoseconds": _FIRST * 1000**3,
}
"""The smallest time of each unit: March 1973. ``_SPAN`` times as much is the year 2286. Times of a file in
one unit are in one such span alone, or some are between two spans."""


def count_copies(rows: CodedInteractions) -> int:
    """Return how many rows are exact copies of an earlier one; 0 without times.

    Without times, a repeated row may be a second interaction with the same item.

    Args:
        rows: in the order of users and times, with all ratings; a missing rating is NaN.
    """
    if rows.times is None:
        return 0
    same = (rows.users[1:] == rows.users[:-1]) & (rows.times[1:] == rows.times[:-1])
    tied = np.append(same, False) | np.append(False, same)[: len(rows.users)]  # only these can be copies
    table = pl.DataFrame({"user": rows.users[tied], "item": rows.items[tied], "time": rows.times[tied]})
    if rows.ratings is not None:
        table = table.with_columns(rating=rows.ratings[tied])
    return len(table) - table.n_unique()


def copies_note(copies: int, rows: int) -> tuple[str, ...]:
    """Return a note on exact copies of earlier rows, if at least 5 % of the source's rows are copies."""
    if not copies or copies < _MANY_COPIES * rows:
        return ()
    return (
        f"{copies:,} of {counted(rows, 'row')} of the source ({copies / rows:.0%}) are exact "
        "copies of an earlier row; where repeats are kept, a target may be a copy of its last input.",
    )


def missing_id_notes(role: str, rows_of_ids: Int64s, ids: pl.Series) -> Iterator[str]:
    """Yield notes on ids that other programs write for a missing value.

    Args:
        role: ``user`` or ``item``.
        rows_of_ids: how many rows each id has, (ids,).
        ids: the ids as text, (ids,).
    """
    short = (ids.str.len_bytes() <= _LONGEST_MISSING).arg_true()  # longer ids cannot match
    for number in short.filter(ids.gather(short).str.to_lowercase().is_in(_MISSING)):
        rows = int(rows_of_ids[number])
        have = "has" if rows == 1 else "have"
        meaning = f"which may mean that the {role} is not known"
        yield f'{counted(rows, "row")} {have} the {role} "{ids[number]}", {meaning}.'


class TimeFindings:
    """Finds out whether the times of users give an order, and whether they look like several units."""

    def __init__(self) -> None:
        self._has_pairs = self._has_order = False
        self._in_unit = dict.fromkeys(_UNITS, 0)
        self._between = False

    def look_at(self, rows: CodedInteractions) -> None:
        """Take the rows of whole users, in the order of users and times."""
        if rows.times is None:
            return
        same_user = rows.users[1:] == rows.users[:-1]
        self._has_pairs |= bool(same_user.any())
        self._has_order |= bool((rows.times[1:] != rows.times[:-1])[same_user].any())
        dated = rows.times[rows.times >= _FIRST]
        found = 0
        for unit, first in _UNITS.items():
            number = int(np.count_nonzero((dated >= first) & (dated < first * _SPAN)))
            self._in_unit[unit] += number
            found += number
        self._between |= found < len(dated)

    def notes(self) -> Iterator[str]:
        """Yield notes if times give no order, or if they look like several units."""
        if self._has_pairs and not self._has_order:
            yield "All interactions of a user have the same time, so their order is that of the file."
        units = {unit: number for unit, number in self._in_unit.items() if number}
        if len(units) > 1 and not self._between:
            parts = ", ".join(f"{number:,} like {unit}" for unit, number in units.items())
            yield f"Times look as if they had several units ({parts}), so their order means little."
