"""What a reader of results must know of a source's rows: facts that make metrics mean little."""

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
_UNITS = {"seconds": _FIRST, "milliseconds": _FIRST * 1000, "microseconds": _FIRST * 1_000_000}
"""The smallest number that means 1973 in a unit; ``_SPAN`` times as much means 2286. A file in one unit has
times between two such spans, or in one alone."""


def count_copies(rows: CodedInteractions) -> int:
    """Return how many rows are exact copies of an earlier one; none where there are no times.

    Without times a repeated row may be a repeated deed.

    Args:
        rows: in the order of users and times, with all ratings; NaN where there is none.
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
    """Say how many of the source's rows are exact copies of an earlier one, where they are many."""
    if not copies or copies < _MANY_COPIES * rows:
        return ()
    return (
        f"{copies:,} of {counted(rows, 'row')} of the source ({copies / rows:.0%}) are exact "
        "copies of an earlier row; where repeats are kept, a target may be a copy of its last input.",
    )


def missing_id_notes(role: str, rows_of_ids: Int64s, ids: pl.Series) -> Iterator[str]:
    """Yield what there is to say of ids that other programs write for "missing".

    Args:
        role: ``user`` or ``item``.
        rows_of_ids: how many rows each id has, (ids,).
        ids: the ids as text, (ids,).
    """
    short = (ids.str.len_bytes() <= _LONGEST_MISSING).arg_true()  # the others need no copy in lower case
    for number in short.filter(ids.gather(short).str.to_lowercase().is_in(_MISSING)):
        rows = int(rows_of_ids[number])
        have = "has" if rows == 1 else "have"
        meaning = f"which may mean that the {role} is not known"
        yield f'{counted(rows, "row")} {have} the {role} "{ids[number]}", {meaning}.'


class TimeFindings:
    """Finds out whether the times of users order anything, and whether they look like several units."""

    def __init__(self) -> None:
        self._has_pairs = self._has_order = False
        self._in_unit = dict.fromkeys(_UNITS, 0)
        self._between = False

    def look_at(self, rows: CodedInteractions) -> None:
        """Look at the rows of whole users, in the order of users and times."""
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
        """Yield that times order nothing, or that they look like several units."""
        if self._has_pairs and not self._has_order:
            yield "All interactions of a user have the same time, so their order is that of the file."
        units = {unit: number for unit, number in self._in_unit.items() if number}
        if len(units) > 1 and not self._between:
            parts = ", ".join(f"{number:,} like {unit}" for unit, number in units.items())
            yield f"Times look as if they had several units ({parts}), so their order means little."
