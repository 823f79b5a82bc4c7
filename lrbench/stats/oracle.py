"""The best depth of each user, chosen after the fact: how much could a perfect choice of depth gain?

The best of several ranks rewards variance: a model that reasons with noise alone can have a higher oracle
than the model itself. So an oracle says nothing by itself. It is compared with the oracle of a noise-only
control. Or one draw of the noise chooses the depth, and the other draws score it.
"""

import numpy as np

from lrbench.arrays import Floats

__all__ = ["oracle", "split_oracle"]


def oracle(values: Floats) -> float:
    """Return the mean over users and runs of the best depth's metric.

    Args:
        values: (depths, runs, targets, draws); the metric of a target at a depth is its mean over draws.
    """
    return float(values.mean(axis=3).max(axis=0).mean())


def split_oracle(values: Floats) -> float:
    """Choose each target's depth by one draw and score it by the other draws.

    Every draw chooses once, and the result is the mean. Where several depths are equally good for the
    choosing draw, the score is their mean.

    Args:
        values: (depths, runs, targets, draws).

    Raises:
        ValueError: there are fewer than two draws.
    """
    draws = values.shape[3]
    if draws < 2:
        raise ValueError(f"a split over draws needs two, got {draws}")
    scores = []
    for draw in range(draws):
        chooses = values[..., draw]  # (depths, runs, targets)
        best = (chooses == chooses.max(axis=0)).astype(np.float64)
        others = (values.sum(axis=3) - chooses) / (draws - 1)
        scores.append(((best * others).sum(axis=0) / best.sum(axis=0)).mean())
    return float(np.mean(scores))
