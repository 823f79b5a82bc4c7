"""Ranking metrics of one held-out item per user, from its rank alone.

With a single relevant item Recall@K equals the hit rate, the ideal DCG is 1 and
NDCG@K = 1 / log2(rank + 1) inside the cut-off (Järvelin & Kekäläinen 2002). Ranks are
mid-ranks (1 + greater + ties / 2), so a constant scorer earns chance level.

Model selection and statistics use these same functions; they know numpy and nothing else.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lrbench.arrays import Floats
from lrbench.errors import RequestError

__all__ = ["metric_function", "mrr", "ndcg", "recall"]


def recall(ranks: NDArray[np.floating], cutoff: int) -> Floats:
    """1 where the target is among the first ``cutoff`` items, else 0; any shape."""
    return (np.asarray(ranks) <= cutoff).astype(np.float64)


def ndcg(ranks: NDArray[np.floating], cutoff: int) -> Floats:
    """1 / log2(rank + 1) where the target is among the first ``cutoff`` items, else 0; any shape."""
    ranks = np.asarray(ranks, dtype=np.float64)
    return np.where(ranks <= cutoff, 1.0 / np.log2(ranks + 1.0), 0.0)


def mrr(ranks: NDArray[np.floating]) -> Floats:
    """Reciprocal rank, without a cut-off; any shape."""
    return 1.0 / np.asarray(ranks, dtype=np.float64)


def metric_function(name: str) -> Callable[[NDArray[np.floating]], Floats]:
    """Return the function from ranks to values for a name such as ``ndcg@10`` or ``mrr``.

    Raises:
        RequestError: the name is not ``recall@K``, ``ndcg@K`` or ``mrr``.
    """
    kind, _, cutoff = name.partition("@")
    if name == "mrr":
        return mrr
    if kind in ("recall", "ndcg") and cutoff.isdigit() and int(cutoff) > 0:
        function = recall if kind == "recall" else ndcg
        return lambda ranks: function(ranks, int(cutoff))
    raise RequestError(f'Unknown metric "{name}".', "Use recall@K, ndcg@K or mrr, for instance ndcg@10.")
