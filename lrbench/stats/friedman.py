"""Which model is best over datasets? Friedman's test and Nemenyi's critical difference (Demšar 2006).

It needs six datasets or more. With four, the smallest two-sided p-value of Wilcoxon's test is 0.125.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lrbench.arrays import Floats

__all__ = ["MIN_DATASETS", "Friedman", "friedman", "nemenyi_difference"]


MIN_DATASETS = 6


@dataclass(frozen=True)
class Friedman:
    """Mean ranks over datasets and the test that they are equal; its numbers are NaN where not testable."""

    mean_ranks: Floats  # (models,) 1 = best
    statistic: float
    """Iman and Davenport's F, less conservative than the χ² it is made from."""

    p: float
    critical_difference: float
    """Two mean ranks that differ by less are not separable (Nemenyi)."""

    reason: str = ""
    """Why it is not testable; empty where it is."""


def friedman(values: Floats) -> Friedman:
    """Test over datasets whether models differ.

    Args:
        values: mean metric, (datasets, models); higher is better.
    """
    n_datasets, n_models = values.shape
    ranks = stats.rankdata(-values, axis=1)  # (datasets, models)
    mean_ranks = np.asarray(ranks.mean(axis=0))
    if n_datasets < MIN_DATASETS or n_models < 3:
        reason = f"{n_datasets} datasets and {n_models} models; the test needs {MIN_DATASETS} and 3"
        return Friedman(mean_ranks, math.nan, math.nan, math.nan, reason)
    between = n_datasets * float(np.square(mean_ranks - (n_models + 1) / 2).sum())
    within = float(np.square(ranks - (n_models + 1) / 2).sum()) / (n_datasets * (n_models - 1))
    chi_squared = between / within if within > 0 else 0.0
    freedom = n_models - 1
    remaining = n_datasets * freedom - chi_squared
    statistic = (n_datasets - 1) * chi_squared / remaining if remaining > 1e-9 else math.inf
    p = float(stats.f.sf(statistic, freedom, freedom * (n_datasets - 1)))
    return Friedman(mean_ranks, statistic, p, nemenyi_difference(n_models, n_datasets))


def nemenyi_difference(n_models: int, n_datasets: int, alpha: float = 0.05) -> float:
    """Return the critical difference of mean ranks, q √(k (k + 1) / (6 N)), for k models and N datasets.

    q is the quantile of the studentised range / √2.
    """
    quantile = float(stats.studentized_range.ppf(1 - alpha, n_models, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(n_models * (n_models + 1) / (6 * n_datasets))
