"""Guards: properties of a dataset and its split that have made published numbers mean something else.

Released code and data had four faults:

- Targets repeated the last input.
- Rows of one person were on both sides of a split.
- Times gave no order.
- Some items could not be told apart by their text.

A recommender without any learning profits from each. They are therefore counted before anything is trained.
"""

import numpy as np
import polars as pl

from lrbench.arrays import Bools, Int64s, ranges
from lrbench.config.base import FrozenConfig
from lrbench.data.sequences import EvaluationView, Sequences, Split

__all__ = ["Guards", "equal_share", "find_guards", "html_share", "overlapping_rows"]

ROWS = 2_000
"""Most test rows that are compared with the training rows."""

SEED = 2408_12008
_SHORTEST = 5  # items of a row that is compared
_GRAM = 3  # items of a run that is looked up
_MATCHES = 1_000  # most places at which one run is looked up
_TAG = r"(?i)<(/?[a-z][a-z0-9]*)(\s+[a-z-]+=|\s*/?>)"  # the beginning of an HTML tag


def find_guards(sequences: Sequences, parts: Split, titles: pl.Series, shared_rows: bool = False) -> "Guards":
    """Compute all guards.

    Args:
        sequences: the prepared interactions.
        parts: the protocol's split of them.
        titles: of every item, (items,); null where there is none.
        shared_rows: whether several users share a training row, so that no row belongs to another user.
    """
    return Guards(
        repeat_last=_share(parts.test.repeating()),
        target_in_history=_share(_in_history(parts.test)),
        target_time_tied=_share(parts.test.undated()),
        overlapping_rows=None if shared_rows else overlapping_rows(parts),
        equal_titles=equal_share(titles),
        html_titles=html_share(titles),
        copies=_copies(sequences),
    )


def overlapping_rows(parts: Split) -> float | None:
    """Return the share of test rows of which a block of at least half is in another user's training row.

    A row is a history with its target. Rows of fewer than five items are left out, since blocks of two items
    coincide by chance. At most ``ROWS`` rows are compared, drawn with a fixed seed. Blocks are found by their
    runs of three items. A run is looked up at no more than 1,000 places, so the share is a lower bound for
    extreme repetitions.

    Returns:
        ``None`` if no row is long enough.
    """
    test, train = parts.test, parts.train
    lengths = test.stops + 1 - test.starts  # (evaluated,)
    rows = np.flatnonzero(lengths >= _SHORTEST)
    if not len(rows):
        return None
    if len(rows) > ROWS:
        rows = np.random.default_rng(SEED).choice(rows, ROWS, replace=False)
    row, at, keys = _runs(test.items, test.starts[rows], test.stops[rows] + 1, test.n_items)
    train_row, train_at, train_keys = _runs(train.items, train.starts, train.stops, train.n_items)
    order = np.argsort(train_keys, kind="stable")
    first = np.searchsorted(train_keys[order], keys, side="left")  # (test runs,)
    found = np.minimum(np.searchsorted(train_keys[order], keys, side="right") - first, _MATCHES)
    gram = np.repeat(np.arange(len(keys)), found)  # (matches,) run of the test rows
    place = order[ranges(first, found)]  # (matches,) run of the training rows
    owners = np.arange(len(train.starts)) if train.users is None else train.users
    other = owners[train_row[place]] != test.users[rows][row[gram]]  # (matches,) not the same user
    gram, place = gram[other], place[other]
    longest = _longest_chains(row[gram], train_at[place] - at[gram], at[gram], len(rows))
    return float((longest + _GRAM - 1 >= (lengths[rows] + 1) // 2).mean())


def _runs(items: np.ndarray, starts: Int64s, stops: Int64s, n_items: int) -> tuple[Int64s, Int64s, Int64s]:
    """Return row, flat index and key of every run of three items within the rows, (runs,) each."""
    counts = np.maximum(stops - starts - (_GRAM - 1), 0)
    at = ranges(starts, counts)
    row = np.repeat(np.arange(len(starts)), counts)
    # The key holds three item numbers. It does not overflow for catalogues below 2²¹ items.
    flat = items.astype(np.int64)
    return row, at, (flat[at] * n_items + flat[at + 1]) * n_items + flat[at + 2]


def _longest_chains(rows: Int64s, shifts: Int64s, at: Int64s, n_rows: int) -> Int64s:
    """Return the longest chain of each row, (rows,): matches at consecutive places with the same shift.

    Args:
        rows: test row of each match, (matches,).
        shifts: flat index in training minus flat index in test, (matches,).
        at: flat index in test, (matches,).
        n_rows: number of test rows. A row without matches gets −3.
    """
    longest = np.full(n_rows, -_GRAM)
    if not len(rows):
        return longest
    order = np.lexsort((at, shifts, rows))
    rows, shifts, at = rows[order], shifts[order], at[order]
    begins = np.ones(len(rows), dtype=bool)
    begins[1:] = (np.diff(rows) != 0) | (np.diff(shifts) != 0) | (np.diff(at) != 1)
    run = np.cumsum(begins) - 1
    np.maximum.at(longest, rows[begins], np.bincount(run))
    return longest


def _share(flags: Bools | None) -> float | None:
    return None if flags is None or not len(flags) else float(flags.mean())


def _in_history(view: EvaluationView) -> Bools:
    """Tell which targets are in their own history, (evaluated,)."""
    lengths = view.stops - view.starts
    row = np.repeat(np.arange(len(view)), lengths)
    same = view.items[ranges(view.starts, lengths)] == view.targets[row]
    return np.bincount(row[same], minlength=len(view)) > 0


def equal_share(titles: pl.Series) -> float | None:
    """Return the share of titles that another item has, too; ``None`` without titles."""
    known = titles.drop_nulls()
    return float(known.is_duplicated().mean()) if len(known) else None  # type: ignore[arg-type]


def html_share(titles: pl.Series) -> float | None:
    """Return the share of titles with an HTML tag in them, whole or cut off; ``None`` without titles."""
    known = titles.drop_nulls()
    return float(known.str.contains(_TAG).mean()) if len(known) else None  # type: ignore[arg-type]


def _copies(sequences: Sequences) -> float | None:
    if sequences.times is None:
        return None
    users = np.repeat(np.arange(sequences.n_users), sequences.lengths)
    table = pl.DataFrame({"user": users, "item": sequences.items, "time": sequences.times})
    return 1 - table.n_unique() / len(table)


class Guards(FrozenConfig):
    """Shares between 0 and 1; ``None`` if one cannot be known."""

    repeat_last: float | None
    """Test targets that repeat the last item of their history."""

    target_in_history: float | None
    """Test targets that are anywhere in their history."""

    target_time_tied: float | None
    """Test targets with the same time as their last input: only the file says which came first."""

    overlapping_rows: float | None
    """Test rows of which at least half is one block of another user's training row; ``None`` for accounts."""

    equal_titles: float | None
    """Items that share their title with another item, of those with a title."""

    html_titles: float | None = None
    """Items whose title contains an HTML tag, of those with a title."""

    copies: float | None
    """Interactions that repeat user, item and time of another one, in the prepared sequences."""
