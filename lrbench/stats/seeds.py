"""Does a change matter beyond training luck on this fixed set of users? Tests on the means of runs.

Runs are not paired by seed. With the same seed, models of one width start from the same item embeddings and
see the training rows in the same order. So their runs may be positively correlated. To ignore that costs
power but not validity. Runs that share trained weights are compared as differences, see
:func:`lrbench.stats.crossed.sides_of_test`.
"""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from lrbench.arrays import Floats, Int64s
from lrbench.stats.contrast import NO_VARIATION, Contrast, seeds_missing
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["SeedPermutation", "permutation_floor", "permute_seeds", "welch_seeds"]

MIN_PERMUTATION_SEEDS = 4
MOST_SPLITS = 200_000
"""With more splits of the runs, as many are drawn at random."""


@dataclass(frozen=True)
class SeedPermutation:
    """Outcome of a permutation test over runs; ``p`` is NaN where not testable."""

    p: float
    floor: float
    """The smallest p-value that this many runs can reach; NaN for a deterministic model."""

    reason: str = ""
    """Why it is not testable; empty where it is."""


def welch_seeds(first: UserMetrics, second: UserMetrics) -> Contrast:
    """Welch's t test on seed means; a deterministic model counts as a known constant.

    Not testable with fewer than three seeds of a model that is not deterministic, where both models are
    deterministic, or where seed means do not vary.

    Raises:
        ValueError: the numbers of users differ.
    """
    if first.users != second.users:
        raise ValueError(f"expected the same users, got {first.users} and {second.users}")
    difference = first.mean - second.mean
    random = [model for model in (first, second) if not model.deterministic]
    reason = seeds_missing(first, second) or ("" if random else "neither model depends on the seed")
    if reason:
        return Contrast("Welch seeds", difference, reason=reason)
    parts = [(model.seed_sd**2 / model.seeds, model.seeds - 1) for model in random]
    variance = sum(part for part, _ in parts)
    if math.sqrt(variance) <= 1e-12 * max(abs(first.mean), abs(second.mean)):
        return Contrast("Welch seeds", difference, reason=NO_VARIATION, constant=True)
    df = variance**2 / sum(part**2 / freedom for part, freedom in parts)
    return Contrast("Welch seeds", difference, math.sqrt(variance), df)


def permutation_floor(first_seeds: int, second_seeds: int) -> float:
    """Smallest two-sided p-value of the exact permutation test: 2 / binomial(S_A + S_B, S_A)."""
    return 2 / math.comb(first_seeds + second_seeds, first_seeds)


def permute_seeds(first: UserMetrics, second: UserMetrics, family_size: int = 1) -> SeedPermutation:
    """Permutation test on seed means: exact while there are at most 200,000 splits of the runs.

    A deterministic model has no runs to permute. Not testable with fewer than four runs of either model, or
    where ``family_size`` tests under Holm push even the smallest reachable p-value above 0.05.
    """
    if first.deterministic or second.deterministic:
        return SeedPermutation(math.nan, math.nan, "a deterministic model has no runs to permute")
    floor = permutation_floor(first.seeds, second.seeds)
    if min(first.seeds, second.seeds) < MIN_PERMUTATION_SEEDS:
        needed = f"a permutation of runs needs {MIN_PERMUTATION_SEEDS} seeds of each model"
        return SeedPermutation(math.nan, floor, needed)
    if floor * family_size > 0.05:
        reach = f"the smallest reachable p is {floor:.2g}, too large for a family of {family_size}"
        return SeedPermutation(math.nan, floor, reach)
    splits = math.comb(first.seeds + second.seeds, first.seeds)
    p = _sampled_p if splits > MOST_SPLITS else _exact_p
    return SeedPermutation(p(first.seed_means, second.seed_means), floor)


def _exact_p(first: Floats, second: Floats) -> float:
    """Return the two-sided p-value over all splits of the runs: twice the smaller tail, at most 1.

    SciPy gives the same value, but lists the splits one by one: a second for ten runs of each model.

    Args:
        first: means of the runs of a model, (runs,).
        second: those of another, (other runs,).
    """
    pooled = np.concatenate((first, second))
    sums = pooled[_splits(len(first), len(pooled))].sum(axis=1)  # (splits,)
    observed, rounding = first.sum(), 1e-12 * np.abs(pooled).sum()
    tails = (sums >= observed - rounding).mean(), (sums <= observed + rounding).mean()
    return min(1.0, 2 * float(min(tails)))


@lru_cache(maxsize=1)
def _splits(chosen: int, runs: int) -> Int64s:
    """Return the numbers of the chosen runs in each way to choose them, (splits, chosen)."""
    numbers = itertools.chain.from_iterable(itertools.combinations(range(runs), chosen))
    return np.fromiter(numbers, np.int64).reshape(-1, chosen)


def _sampled_p(first: Floats, second: Floats) -> float:
    """Return the two-sided p-value over random splits of the runs."""
    result = stats.permutation_test(
        (first, second),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        permutation_type="independent",
        vectorized=True,
        n_resamples=MOST_SPLITS,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)
