"""What a prepared dataset is like, before anyone trains on it: sizes, ties, repeats, leakage, and order.

Shares are between 0 and 1 and describe the protocol's split. A share is `None` if it cannot be known, because
the source has no times or no user is evaluated.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lrbench.arrays import Int64s
from lrbench.config.accounts import Accounts
from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import Protocol
from lrbench.data.dataset import DatasetRecord, PreparedDataset
from lrbench.data.inspection.guards import Guards, equal_share, find_guards, html_share
from lrbench.data.inspection.order_probe import OrderProbe, probe_order
from lrbench.data.inspection.row_predictors import AccountOverlap, inspect_rows
from lrbench.data.preparation.interactions import first_of_pairs
from lrbench.data.sequences import Sequences, Split
from lrbench.data.splits.accounts import merge
from lrbench.data.splitting import split

__all__ = ["Audit", "Leakage", "Quantiles", "audit", "find_leakage", "last_two_tied", "title_shares"]

Flags = NDArray[np.bool_]


def audit(dataset: PreparedDataset, protocol: Protocol) -> "Audit":
    """Compute all figures of a prepared dataset under a protocol.

    Most of the time goes to the order probe, which ranks with seven Markov chains, or with four if there are
    no times.

    Raises:
        RequestError: the protocol cannot split this data.
    """
    sequences, parts = dataset.sequences, split(dataset.sequences, protocol)
    return Audit(
        dataset=dataset.record,
        evaluated_users=len(parts.test),
        sequence_length=_quantiles(sequences.lengths),
        item_popularity=_quantiles(np.bincount(sequences.items, minlength=sequences.n_items)),
        last_two_tied=last_two_tied(sequences),
        repeats=_repeats(sequences),
        unseen_targets=_unseen_targets(parts),
        leakage=None if sequences.own_clocks or protocol.accounts else find_leakage(parts),
        guards=find_guards(sequences, parts, dataset.titles, protocol.accounts is not None),
        order=probe_order(sequences, protocol),
        switches=None if protocol.accounts is None else _switches(sequences, protocol.accounts),
        accounts=None if protocol.account_rows is None else inspect_rows(sequences),
    )


def _share(flags: Flags) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _quantiles(values: Int64s) -> "Quantiles":
    at = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    return Quantiles(
        mean=float(values.mean()),
        minimum=int(values.min()),
        q05=at[0],
        q25=at[1],
        median=at[2],
        q75=at[3],
        q95=at[4],
        maximum=int(values.max()),
    )


def title_shares(titles: pl.Series) -> tuple[float, float] | None:
    """Return the share of titles that another item has too, and the share of titles with an HTML tag.

    Args:
        titles: of every item, (items,); null where there is none.

    Returns:
        ``None`` where no item has a title.
    """
    equal, scraps = equal_share(titles), html_share(titles)
    return None if equal is None or scraps is None else (equal, scraps)


def last_two_tied(sequences: Sequences) -> float | None:
    """Return the share of users whose last two interactions have the same time; ``None`` without times."""
    if sequences.times is None:
        return None
    ends = sequences.offsets[1:][sequences.lengths >= 2]
    return _share(sequences.times[ends - 1] == sequences.times[ends - 2])


def _repeats(sequences: Sequences) -> float:
    users = np.repeat(np.arange(sequences.n_users, dtype=np.int32), sequences.lengths)
    return 1 - len(first_of_pairs(users, sequences.items)) / len(sequences.items)


def _switches(sequences: Sequences, settings: Accounts) -> float | None:
    merged = merge(sequences, settings)
    switch = merged.users[1:] != merged.users[:-1]
    within = np.ones(len(switch), dtype=bool)
    within[merged.offsets[1:-1] - 1] = False  # from one account to the next
    return _share(switch[within])


def _unseen_targets(parts: Split) -> float | None:
    train = parts.train
    seen = np.zeros(train.n_items, dtype=bool)
    seen[train.items[train.interactions]] = True
    return _share(~seen[parts.test.targets])


def find_leakage(parts: Split) -> "Leakage | None":
    """Measure how far training looks into the future of the test targets.

    A user's own training interactions are never later than the user's target. All later training
    interactions are therefore those of other users.

    Returns:
        ``None`` if there are no times or no targets.
    """
    train, test = parts.train, parts.test
    if train.times is None or test.times is None or len(test) == 0:
        return None
    trained = train.interactions
    times, items = train.times[trained], train.items[trained]
    at = test.times[test.stops]  # (evaluated,) a view stops at its target
    later = len(times) - np.searchsorted(np.sort(times), at, side="right")
    own = train.stops - train.starts  # training interactions of each user
    if train.users is not None:
        own = np.bincount(train.users, weights=own, minlength=int(test.users.max()) + 1)
    others = np.maximum(len(times) - own[test.users], 1)
    latest = np.full(train.n_items, np.iinfo(np.int64).min)  # (items,) time of the last training interaction
    np.maximum.at(latest, items, times)
    return Leakage(
        targets=float((later > 0).mean()),
        training=float((later / others).mean()),
        same_item=float((latest[test.targets] > at).mean()),
    )


class Quantiles(FrozenConfig):
    """The distribution of a count: its mean and its quantiles."""

    mean: float
    minimum: int
    q05: float
    q25: float
    median: float
    q75: float
    q95: float
    maximum: int


class Leakage(FrozenConfig):
    """Cross-user leakage: training interactions of other users that are later than a test target.

    With leave-one-out, a model is trained on what other users did after the moment that it predicts. A
    deployed model cannot be (Ji et al., ACM TOIS 2023). Equal times do not count as later.
    """

    targets: float
    """Share of test targets before at least one training interaction of another user."""

    training: float
    """Share of other users' training interactions that are later than the target, mean over targets."""

    same_item: float
    """Share of test targets whose own item another user has in training at a later time."""


class Audit(FrozenConfig):
    """What ``lrbench inspect`` shows."""

    dataset: DatasetRecord
    """Where it comes from, the filters, and the sizes after every step."""

    evaluated_users: int
    """Test targets; with leave-one-out, one for each user with at least three interactions."""

    sequence_length: Quantiles
    """Interactions of a user."""

    item_popularity: Quantiles
    """Interactions of an item."""

    last_two_tied: float | None
    """Share of users whose last two interactions have the same time: their order is the file's."""

    repeats: float
    """Share of interactions with an item that the user had before."""

    unseen_targets: float | None
    """Share of test targets whose item nobody has in training."""

    leakage: Leakage | None
    """How far training looks into the future of the targets."""

    guards: Guards
    """Properties that have misled published evaluations."""

    order: OrderProbe | None
    """How much the order of interactions helps to predict; `None` if no user is evaluated."""

    switches: float | None = None
    """Share of neighbouring interactions of merged accounts that are of two members; `None` without accounts.

    Near 0, members do not overlap in time: an account is one history after the other.
    """

    accounts: AccountOverlap | None = None
    """How much a split of rows gives away about its accounts; `None` under other splits."""
