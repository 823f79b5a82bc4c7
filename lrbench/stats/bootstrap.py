"""Two-level bootstrap: resample users, and the runs of each model, as a cross-check of the crossed test.

It is no more than a cross-check. Let S be the number of runs. Where users × runs dominates, the interval is
too wide, since it counts that part 3 - 2 / S times (Owen 2007; Owen & Eckles 2012 call this mildly
conservative). Where the luck of runs dominates, it is too narrow, since resampling S runs gives (S - 1) / S
of their variance.
"""

import numpy as np

from lrbench.arrays import Floats
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["bootstrap_interval", "two_level_bootstrap"]

BLOCK_BYTES = 1 << 19
"""Memory for the weights of draws that are computed together; it fits into the cache of a core."""


def two_level_bootstrap(
    first: UserMetrics, second: UserMetrics, generator: np.random.Generator, draws: int = 1000
) -> Floats:
    """Resampled differences first - second, (draws,).

    A draw picks the same users for both models, and picks runs of each model independently. A user whose
    values are zero in every run adds nothing to a mean. So such users are not picked one by one: only the
    number of picks that fall on the other users, the live ones, is drawn.
    """
    live = (first.values != 0).any(axis=0) | (second.values != 0).any(axis=0)
    pair = [model.values[:, live] for model in (first, second)]  # (seeds, live) each
    n_live = int(live.sum())
    rows = max(1, BLOCK_BYTES // max(1, 8 * n_live))
    blocks = []
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        weights = _picked(generator, count, n_live, first.users) / first.users  # (count, live)
        means = [_resampled_means(values @ weights.T, generator) for values in pair]  # (count,) each
        blocks.append(means[0] - means[1])
    return np.concatenate(blocks)


def _picked(generator: np.random.Generator, draws: int, n_live: int, users: int) -> Floats:
    """How often each live user is picked in each draw of ``users`` users, (draws, live)."""
    picks = generator.binomial(users, n_live / users, size=draws)  # (draws,)
    cells = np.repeat(np.arange(draws) * n_live, picks) + generator.integers(n_live, size=picks.sum())
    return np.bincount(cells, minlength=draws * n_live).reshape(draws, n_live).astype(np.float64)


def _resampled_means(run_means: Floats, generator: np.random.Generator) -> Floats:
    """Mean over runs that are drawn with replacement, (seeds, draws) to (draws,)."""
    runs = generator.integers(len(run_means), size=run_means.shape)  # (seeds, draws)
    means: Floats = np.take_along_axis(run_means, runs, axis=0).mean(axis=0)
    return means


def bootstrap_interval(differences: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled differences."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(low), float(high)
