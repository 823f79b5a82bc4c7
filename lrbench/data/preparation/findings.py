"""What a reader of results must know of a source's rows: facts that make metrics mean little."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from lrbench.arrays import Int32s
from lrbench.data.preparation.interactions import CodedInteractions
from lrbench.wording import counted

__all__ = ["OWN_CLOCKS", "copies_note", "missing_id_notes", "tied_notes"]

OWN_CLOCKS = "Times count from each user's own first interaction and cannot be compared between users."

_MISSING = ("nan", "null", "none", "na", "n/a", "<na>", "nat", "undefined")
_MANY_COPIES = 0.05


def copies_note(table: pl.DataFrame) -> tuple[str, ...]:
    """Say how many rows are exact copies of an earlier one, where there are times and copies are many.

    Args:
        table: as ``RawInteractions.collect`` gives it. Without times a repeated row may be a repeated deed.
    """
    if table["time"].null_count():
        return ()
    copies = len(table) - table.n_unique()
    if copies < _MANY_COPIES * len(table):
        return ()
    return (
        f"{copies:,} of {counted(len(table), 'row')} of the source ({copies / len(table):.0%}) are exact "
        "copies of an earlier row; where repeats are kept, a target may be a copy of its last input.",
    )


def missing_id_notes(role: str, numbers: Int32s, ids: pl.Series) -> Iterator[str]:
    """Yield what there is to say of ids that other programs write for "missing".

    Args:
        role: ``user`` or ``item``.
        numbers: each row's number of the id, (rows,).
        ids: the id behind each number, (ids,).
    """
    for number in ids.str.to_lowercase().is_in(_MISSING).arg_true():
        rows = int(np.count_nonzero(numbers == number))
        have = "has" if rows == 1 else "have"
        meaning = f"which may mean that the {role} is not known"
        yield f'{counted(rows, "row")} {have} the {role} "{ids[number]}", {meaning}.'


def tied_notes(rows: CodedInteractions) -> tuple[str, ...]:
    """Say so where times order nothing; ``rows`` are in the order of users and times."""
    if rows.times is None:
        return ()
    same_user = rows.users[1:] == rows.users[:-1]
    if not same_user.any() or (rows.times[1:] != rows.times[:-1])[same_user].any():
        return ()
    return ("All interactions of a user have the same time, so their order is that of the file.",)
