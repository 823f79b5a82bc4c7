"""Predictors without learning on rows of accounts: how much of a score leaks from an account's other rows.

Rows of one account are overlapping windows of one stream. If they are on both sides of a split, a table of
what followed what in the account's own training rows answers many test rows. A model that scores no higher
than such a table has not been shown to tell people apart. Each predictor lists 20 items: those of its tables,
then the row's own items from the latest on, then the most popular ones.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from lrbench.arrays import Int64s, ranges
from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import find_protocol
from lrbench.data.sequences import Sequences, Split, TrainingView
from lrbench.data.splitting import split

__all__ = ["AccountOverlap", "RowPredictor", "inspect_rows"]

DEEPEST = 20
"""Items that a predictor lists."""

PUBLISHED, DISJOINT = "shared-rows", "shared-rows-disjoint"

_ALL = -1
"""Stands for the account in tables over the rows of all accounts."""


def inspect_rows(sequences: Sequences) -> "AccountOverlap":
    """Score four predictors on the published split and on the one with accounts apart.

    Raises:
        RequestError: the data has no accounts.
    """
    published, apart = (split(sequences, find_protocol(name)) for name in (PUBLISHED, DISJOINT))
    trained = np.unique(_users(published.train))
    of_all, of_others = _follower_lists(published.train), _follower_lists(apart.train)
    own = _follower_lists(published.train, by_account=True)
    return AccountOverlap(
        targets_with_known_account=float(np.isin(published.test.users, trained).mean()),
        predictors=(
            _score("most recent items first", published, PUBLISHED, []),
            _score("what followed the last item", published, PUBLISHED, [of_all]),
            _score("the same, in the account's own rows first", published, PUBLISHED, [own, of_all]),
            _score("what followed the last item", apart, DISJOINT, [of_others]),
        ),
    )


def _users(train: TrainingView) -> Int64s:
    assert train.users is not None
    return train.users


Followers = Mapping[tuple[int, int], Sequence[int]]


def _follower_lists(train: TrainingView, by_account: bool = False) -> Followers:
    """Map (account or ``_ALL``, item) to the items right after it in training, the most frequent first."""
    steps = np.maximum(train.stops - train.starts - 1, 0)  # (rows,) items that have a follower
    at = ranges(train.starts, steps)
    whose = np.repeat(_users(train) if by_account else np.full(len(steps), _ALL), steps)
    triples = np.column_stack([whose, train.items[at], train.items[at + 1]])  # account, item, follower
    found, counts = np.unique(triples, axis=0, return_counts=True)
    found = found[np.lexsort((found[:, 2], -counts, found[:, 1], found[:, 0]))]
    heads, starts = np.unique(found[:, :2], axis=0, return_index=True)
    stops = np.append(starts[1:], len(found))
    return {
        (int(account), int(item)): found[start : min(stop, start + DEEPEST), 2].tolist()
        for (account, item), start, stop in zip(heads, starts, stops, strict=True)
    }


def _score(name: str, parts: Split, protocol: str, tables: Sequence[Followers]) -> "RowPredictor":
    train, test = parts.train, parts.test
    counts = np.bincount(train.items[train.interactions], minlength=train.n_items)
    popular = np.argsort(-counts, kind="stable")[: 2 * DEEPEST].tolist()
    rows = zip(test.users.tolist(), test.targets.tolist(), _histories(parts), strict=True)
    ranks = np.array(
        [_place(target, _listed(account, history, tables, popular)) for account, target, history in rows]
    )
    return RowPredictor(
        name=name,
        protocol=protocol,
        targets=len(test),
        recall_at_5=float((ranks <= 5).mean()),
        recall_at_20=float((ranks <= DEEPEST).mean()),
        mrr_at_5=float(np.where(ranks <= 5, 1 / ranks, 0).mean()),
    )


def _histories(parts: Split) -> Iterator[list[int]]:
    test = parts.test
    for start, stop in zip(test.starts, test.stops, strict=True):
        yield test.items[start:stop].tolist()


def _listed(
    account: int, history: Sequence[int], tables: Sequence[Followers], popular: Sequence[int]
) -> Iterator[int]:
    """Yield the items that a predictor lists for a row, the best first; an item may come twice."""
    for followers in tables:
        for whose in (account, _ALL):
            yield from followers.get((whose, history[-1]), ())
    yield from reversed(history)
    yield from popular


def _place(target: int, listed: Iterable[int]) -> int:
    """Return the place of the target among the distinct items, from 1; ``DEEPEST + 1`` if it is not there."""
    seen: set[int] = set()
    for item in listed:
        if len(seen) == DEEPEST:
            break
        if item == target and item not in seen:
            return len(seen) + 1
        seen.add(item)
    return DEEPEST + 1


class RowPredictor(FrozenConfig):
    """One predictor on the test rows of one split."""

    name: str
    """How the predictor chooses items."""

    protocol: str
    """The protocol of the split."""

    targets: int
    """Number of test rows."""

    recall_at_5: float
    recall_at_20: float
    mrr_at_5: float
    """Mean reciprocal rank, 0 beyond rank 5."""


class AccountOverlap(FrozenConfig):
    """How much a split by rows gives away about the accounts that it tests."""

    targets_with_known_account: float
    """Share of the published split's test rows whose account has training rows."""

    predictors: tuple[RowPredictor, ...]
    """Predictors without learning, on the published split and on the one with accounts apart."""
