"""Is there anything sequential in a dataset? How much better the true order predicts than a shuffled one.

With some datasets, predictions are as good if every user's interactions are shuffled. Such data cannot tell a
sequential model from a bag of items. Klenitskiy et al. 2024 (arXiv 2408.12008) retrain models and count item
pairs on shuffled data. This probe is the cheapest form of their idea. A first-order Markov chain is counted
on the training part. It ranks the catalogue by what followed the last item before each held-out item. This is
repeated with every user's whole sequence in random order, and with interactions of equal time in random
order.
"""

from dataclasses import replace

import numpy as np
from pydantic import computed_field

from lrbench.arrays import Floats, Int64s, ranges
from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import Protocol
from lrbench.data.preparation.interactions import time_order
from lrbench.data.sequences import Sequences, TrainingView
from lrbench.data.splitting import split

__all__ = ["OrderProbe", "markov_ranks", "probe_order"]

CUTOFF = 10
SHUFFLES = 3
SEED = 2408_12008  # no round number: data from the same seed would be sorted, not shuffled


def probe_order(sequences: Sequences, protocol: Protocol) -> "OrderProbe | None":
    """Compare Recall@10 of a first-order Markov chain on the true and on shuffled orders.

    Returns:
        ``None`` where no user is evaluated.
    """
    if not len(split(sequences, protocol).test):
        return None
    random = np.random.default_rng(SEED)

    def recall_of_shuffles(times: Int64s | None) -> float:
        return float(
            np.mean([_recall(_shuffled(sequences, times, random), protocol) for _ in range(SHUFFLES)])
        )

    return OrderProbe(
        recall_at_10=_recall(sequences, protocol),
        ties_shuffled_recall_at_10=None if sequences.times is None else recall_of_shuffles(sequences.times),
        shuffled_recall_at_10=recall_of_shuffles(None),
    )


def markov_ranks(sequences: Sequences, protocol: Protocol) -> Floats:
    """Return the mid-rank of every validation target, then of every test target, by transition counts.

    Items are ranked by how often they came right after the last item in the training part of any user. Items
    that never did are tied. No item is left out.

    Returns:
        (validation targets + test targets,) ranks from 1.
    """
    parts, n_items = split(sequences, protocol), sequences.n_items
    last = np.concatenate([view.items[view.stops - 1] for view in (parts.valid, parts.test)])
    targets = np.concatenate([parts.valid.targets, parts.test.targets])
    pairs, counts = np.unique(_transitions(parts.train), return_counts=True)
    of_target = _lookup(pairs, counts, last.astype(np.int64) * n_items + targets)  # (targets,) its count

    # Keys `item * width + count`, sorted: each item's followers form a block in ascending order of count.
    width = int(counts.max(initial=0)) + 1
    followers = np.sort(pairs // n_items * width + counts)  # (pairs,)
    block = last.astype(np.int64) * width
    first, end = np.searchsorted(followers, block), np.searchsorted(followers, block + width)
    level, above = (np.searchsorted(followers, block + of_target, side) for side in ("left", "right"))
    ties = np.where(of_target > 0, above - level, n_items - (end - first))
    ranks: Floats = 1 + (end - above) + (ties - 1) / 2
    return ranks


def _transitions(train: TrainingView) -> Int64s:
    """Return ``item × n_items + next item`` for all neighbours within the training parts, (pairs,)."""
    at = ranges(train.starts, np.maximum(train.stops - train.starts - 1, 0))
    pairs: Int64s = train.items[at].astype(np.int64) * train.n_items + train.items[at + 1]
    return pairs


def _lookup(keys: Int64s, values: Int64s, wanted: Int64s) -> Int64s:
    """Return the values of the wanted keys among ascending ``keys``; 0 for a key that is not there."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: Int64s = np.where(keys[at] == wanted, values[at], 0)
    return found


def _shuffled(sequences: Sequences, times: Int64s | None, random: np.random.Generator) -> Sequences:
    """Put each user's items in random order, or, with ``times``, only those of equal times."""
    users = np.repeat(np.arange(sequences.n_users, dtype=np.int32), sequences.lengths)
    order = time_order(users, random.integers(0, 2**32, len(users)))
    if times is not None:
        order = order[time_order(users, times[order])]  # users are in order before and after
    return replace(sequences, items=sequences.items[order])


def _recall(sequences: Sequences, protocol: Protocol) -> float:
    return float((markov_ranks(sequences, protocol) <= CUTOFF).mean())


class OrderProbe(FrozenConfig):
    """Recall@10 of a first-order Markov chain, over validation and test targets, history not masked."""

    recall_at_10: float
    """On the true order: by time, then by the source file."""

    ties_shuffled_recall_at_10: float | None
    """With interactions of equal time in random order, mean of three; ``None`` without times.

    If a file is sorted by item, tied interactions are in the order of items. A model learns that order,
    although no user made it. What the true order gains over this figure is due to the file's order alone.
    """

    shuffled_recall_at_10: float
    """With whole sequences in random order, mean of three: what pairs of items tell without order."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ratio(self) -> float | None:
        """How many times better the true order is; ``None`` if the shuffled order hits nothing."""
        return self.recall_at_10 / self.shuffled_recall_at_10 if self.shuffled_recall_at_10 else None
