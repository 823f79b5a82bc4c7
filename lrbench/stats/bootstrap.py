"""Two-level bootstrap: resample users, and the runs of each model, as a cross-check of the crossed test.

It is no more than a cross-check. Where users × runs dominates it is too wide, since it counts that part
3 - 2 / S times (Owen 2007; Owen & Eckles 2012 call this mildly conservative). Where the luck of runs
dominates it is too narrow, since resampling S runs gives (S - 1) / S of their variance.
"""

import numpy as np

from lrbench.arrays import Floats
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["bootstrap_interval", "two_level_bootstrap"]


def two_level_bootstrap(
    first: UserMetrics, second: UserMetrics, generator: np.random.Generator, draws: int = 1000
) -> Floats:
    """Resampled differences first - second, (draws,).

    A draw takes the same users for both models and runs of each independently. Users for whom every value
    is zero (the target beyond the cut-off in every run) add nothing whichever way they are drawn, so only
    the number of picks that fall on the others is drawn for them.
    """
    live = (first.values != 0).any(axis=0) | (second.values != 0).any(axis=0)
    pair = [model.values[:, live] for model in (first, second)]  # (seeds, live) each
    n_live = int(live.sum())
    differences = np.empty(draws)
    for draw in range(draws):
        picks = generator.integers(n_live, size=generator.binomial(first.users, n_live / first.users))
        weights = np.bincount(picks, minlength=n_live) / first.users  # (live,)
        runs = [generator.integers(len(values), size=len(values)) for values in pair]
        means = [(values @ weights)[run].mean() for values, run in zip(pair, runs, strict=True)]
        differences[draw] = means[0] - means[1]
    return differences


def bootstrap_interval(differences: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled differences."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(low), float(high)
