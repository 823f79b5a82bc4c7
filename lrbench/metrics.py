"""Ranking metrics of one held-out item per user, from its rank and the number of items tied with it.

With a single relevant item Recall@K equals the hit rate, the ideal DCG is 1 and NDCG@K = 1 / log2(rank + 1)
inside the cut-off (Järvelin & Kekäläinen 2002). A stored rank is a mid-rank: 1 + greater + ties / 2. If the
ties are known, a metric is its expectation over a random order of the tied items (McSherry & Najork 2008). A
model that scores all items alike therefore earns exactly chance level. Older trials did not store ties. Their
metrics are those of the mid-rank.

Model selection and statistics use these same functions. They need numpy alone.
"""

import re
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lrbench.arrays import Floats
from lrbench.errors import RequestError

__all__ = ["Metric", "metric_cutoff", "metric_function", "mrr", "ndcg", "recall"]

Numbers = NDArray[np.floating] | NDArray[np.integer]


class Metric(Protocol):
    """A function of ranks, and of ties if they are known."""

    def __call__(self, ranks: Numbers, ties: Numbers | None = None) -> Floats:
        """Return the metric of every rank, in the shape of ``ranks``."""
        ...


def recall(ranks: Numbers, cutoff: int, ties: Numbers | None = None) -> Floats:
    """Return the probability that the target is among the first ``cutoff`` items, in the shape of ``ranks``.

    Args:
        ranks: mid-ranks of the targets, 1 = best.
        cutoff: number of items shown.
        ties: how many other items have exactly the target's score, in the shape of ``ranks``. ``None``: not
            known; the value is then 1 if the mid-rank is inside the cut-off, else 0.
    """
    if ties is None:
        return (np.asarray(ranks) <= cutoff).astype(np.float64)
    above, size = _above(ranks, ties), np.asarray(ties, dtype=np.float64) + 1.0
    return np.clip(cutoff - above, 0, size) / size


def ndcg(ranks: Numbers, cutoff: int, ties: Numbers | None = None) -> Floats:
    """Return 1 / log2(rank + 1) where the target is among the first ``cutoff`` items, else 0.

    Arguments as in :func:`recall`.
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    single = np.where(ranks <= cutoff, 1.0 / np.log2(ranks + 1.0), 0.0)
    if ties is None:
        return single
    sums = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, cutoff + 2)))])  # (cutoff + 1,)
    return np.where(np.asarray(ties) == 0, single, _mean_gain(ranks, ties, sums))


def mrr(ranks: Numbers, ties: Numbers | None = None) -> Floats:
    """Return the reciprocal rank, without a cut-off. Arguments as in :func:`recall`."""
    ranks = np.asarray(ranks, dtype=np.float64)
    single = 1.0 / ranks
    if ties is None or not np.any(ties):
        return single
    lowest = int((_above(ranks, ties) + np.asarray(ties)).max()) + 1
    return np.where(np.asarray(ties) == 0, single, _mean_gain(ranks, ties, _harmonic(lowest)))


def metric_function(name: str) -> Metric:
    """Return the function from ranks to values for a name such as ``ndcg@10`` or ``mrr``.

    Raises:
        RequestError: the name is not ``recall@K``, ``ndcg@K`` or ``mrr``.
    """
    cutoff = metric_cutoff(name)
    if cutoff is None:
        return mrr
    function = recall if name.startswith("recall") else ndcg
    return lambda ranks, ties=None: function(ranks, cutoff, ties)


def metric_cutoff(name: str) -> int | None:
    """Return the cut-off of a metric, beyond which it is 0; ``None``: MRR has none.

    Raises:
        RequestError: the name is not ``recall@K``, ``ndcg@K`` or ``mrr``.
    """
    kind, _, cutoff = name.partition("@")
    if name == "mrr":
        return None
    if kind in ("recall", "ndcg") and re.fullmatch("[1-9][0-9]{0,6}", cutoff, re.ASCII):
        return int(cutoff)
    if kind in ("recall", "ndcg") and not cutoff:
        raise RequestError(f"The metric {kind} needs a cut-off.", f"Write {kind}@10, for instance.")
    if kind == "mrr":
        raise RequestError(f'"{name}": the metric mrr takes no cut-off.', "Write mrr.")
    raise RequestError(f'Unknown metric "{name}".', "Use recall@K, ndcg@K or mrr, for instance ndcg@10.")


def _above(ranks: Numbers, ties: Numbers) -> Floats:
    """Return how many items have a greater score than the target."""
    return np.asarray(ranks, dtype=np.float64) - 1.0 - np.asarray(ties, dtype=np.float64) / 2.0


def _mean_gain(ranks: Numbers, ties: Numbers, sums: Floats) -> Floats:
    """Return the mean gain over the positions that the target and its tied items share.

    ``sums[n]`` is the gain of the first ``n`` positions together. Positions beyond its end gain nothing.
    """
    start = _above(ranks, ties).astype(np.int64)
    size = np.asarray(ties).astype(np.int64) + 1
    last = len(sums) - 1
    gain: Floats = sums[np.minimum(start + size, last)] - sums[np.minimum(start, last)]
    return gain / size


@lru_cache(maxsize=4)
def _harmonic(count: int) -> Floats:
    """Return the sums of the reciprocals of 1 … n, for n from 0 to ``count``, (count + 1,)."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, count + 1))])
