"""Guards: properties of a dataset and its split that have made published numbers mean something else.

Released code and data had four faults. Targets repeated the last input. Rows of one person were on both sides
of a split. Times ordered nothing. No text told some items apart. A recommender without any learning profits
from each, so each is counted before anything is trained.
"""

import numpy as np
import polars as pl

from lrbench.arrays import Bools, Int64s, ranges
from lrbench.config.base import FrozenConfig
from lrbench.data.sequences import EvaluationView, Sequences, Split

__all__ = ["Guards", "equal_share", "find_guards", "html_share", "overlapping_rows"]

ROWS = 2_000
SEED = 2408_12008
_SHORTEST = 5
_GRAM = 3
_MATCHES = 1_000
_TAG = r"(?i)<(/?[a-z][a-z0-9]*)(\s+[a-z-]+=|\s*/?>)"


def find_guards(sequences: Sequences, parts: Split, titles: pl.Series, shared_rows: bool = False) -> "Guards":
    """Count what each guard is about.

    Args:
        sequences: the prepared interactions.
        parts: what the protocol makes of them.
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
    """Return the share of test rows of which half or more is one block in another training row.

    A row is a history with its target. A row of fewer than five items is left out, since two items in a row
    coincide by chance. At most ``ROWS`` rows are looked at, drawn with a fixed seed. Of a run of three items,
    at most 1,000 places are looked at. So for extreme repetitions the share is a lower bound.

    Returns:
        ``None`` where no row is long enough.
    """
    test, train = parts.test, parts.train
    lengths = test.stops + 1 - test.starts
    rows = np.flatnonzero(lengths >= _SHORTEST)
    if not len(rows):
        return None
    if len(rows) > ROWS:
        rows = np.random.default_rng(SEED).choice(rows, ROWS, replace=False)
    row, at, keys = _grams(test.items, test.starts[rows], test.stops[rows] + 1, test.n_items)
    train_row, train_at, train_keys = _grams(train.items, train.starts, train.stops, train.n_items)
    order = np.argsort(train_keys, kind="stable")
    first = np.searchsorted(train_keys[order], keys, side="left")
    found = np.minimum(np.searchsorted(train_keys[order], keys, side="right") - first, _MATCHES)
    gram = np.repeat(np.arange(len(keys)), found)
    place = order[ranges(first, found)]
    owners = np.arange(len(train.starts)) if train.users is None else train.users
    other = owners[train_row[place]] != test.users[rows][row[gram]]
    gram, place = gram[other], place[other]
    longest = _longest_runs(row[gram], train_at[place] - at[gram], at[gram], len(rows))
    return float((longest + _GRAM - 1 >= (lengths[rows] + 1) // 2).mean())


def _grams(items: np.ndarray, starts: Int64s, stops: Int64s, n_items: int) -> tuple[Int64s, Int64s, Int64s]:
    """Return row, flat index and key of every run of three items within the rows."""
    counts = np.maximum(stops - starts - (_GRAM - 1), 0)
    at = ranges(starts, counts)
    row = np.repeat(np.arange(len(starts)), counts)
    # Two items in one number and the third beside it; the product overflows for no catalogue below 2²¹ items.
    flat = items.astype(np.int64)
    return row, at, (flat[at] * n_items + flat[at + 1]) * n_items + flat[at + 2]


def _longest_runs(rows: Int64s, shifts: Int64s, at: Int64s, n_rows: int) -> Int64s:
    """Return how many runs of three in a row match with one shift, at most, for each row, (rows,)."""
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
    """Return the share of titles that are also those of another item."""
    known = titles.drop_nulls()
    return float(known.is_duplicated().mean()) if len(known) else None  # type: ignore[arg-type]


def html_share(titles: pl.Series) -> float | None:
    """Return the share of titles with an HTML tag in them, whole or cut off."""
    known = titles.drop_nulls()
    return float(known.str.contains(_TAG).mean()) if len(known) else None  # type: ignore[arg-type]


def _copies(sequences: Sequences) -> float | None:
    if sequences.times is None:
        return None
    users = np.repeat(np.arange(sequences.n_users), sequences.lengths)
    table = pl.DataFrame({"user": users, "item": sequences.items, "time": sequences.times})
    return 1 - table.n_unique() / len(table)


class Guards(FrozenConfig):
    """Shares between 0 and 1; ``None`` where one cannot be known."""

    repeat_last: float | None
    """Test targets that are the last item of their history again."""

    target_in_history: float | None
    """Test targets that are anywhere in their history."""

    target_time_tied: float | None
    """Test targets with the time of their last input, so that the order of the two is the file's."""

    overlapping_rows: float | None
    """Test rows of which half or more is one block in another user's training row; ``None`` for accounts."""

    equal_titles: float | None
    """Items that share their title with another item, of those with a title."""

    html_titles: float | None = None
    """Items whose title is a scrap of a web page, of those with a title."""

    copies: float | None
    """Interactions with user, item and time of another one before, in the prepared sequences."""
