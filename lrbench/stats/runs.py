"""Does a finding depend on one training run? Find runs that collapsed, and compare without each run."""

import math
from dataclasses import dataclass

import numpy as np

from lrbench.arrays import Floats
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["LeaveOneOut", "collapsed_runs", "leave_one_run_out"]

FAR = 5.0
"""A collapsed run is further below the median than this many median absolute deviations."""

DEEP = 0.2
"""It is also further below the median than this share of it, as the deviation of three runs is often tiny."""

APART = 2.0
"""The gap between two groups of runs is wider than this many times the wider group."""

LOWER = 0.15
"""All runs of the lower group are further below the median of the upper one than this share of it."""


@dataclass(frozen=True)
class LeaveOneOut:
    """How a difference changes when one run is left out; NaN where no run can be left out."""

    low: float
    """The smallest difference, over all runs that can be left out."""

    high: float
    """The largest difference."""

    largest_p: float
    """The largest p-value, before any correction; NaN where fewer than three runs remain."""


def collapsed_runs(seed_means: Floats) -> list[int]:
    """Return the indices of runs that lie far below the others, by ``FAR`` and ``DEEP``; none of one or two.

    Up to half of the runs may have collapsed. They then widen the deviation and hide in it. So the lower one
    of two groups counts too, by ``APART`` and ``LOWER``, if it has two or more runs.

    Args:
        seed_means: a metric of each run, (seeds,).
    """
    if len(seed_means) < 3:
        return []
    median = float(np.median(seed_means))
    deviation = float(np.median(np.abs(seed_means - median)))
    gaps = median - seed_means  # (seeds,)
    far = (gaps > FAR * deviation) & (gaps > DEEP * abs(median))
    return np.flatnonzero(far | (seed_means <= _top_of_lower_group(seed_means))).tolist()


def _top_of_lower_group(seed_means: Floats) -> float:
    """Return the best run of the lower of two groups, minus infinity where runs do not split into two."""
    ordered = np.sort(seed_means)
    size = int(np.argmax(np.diff(ordered))) + 1
    lower, upper = ordered[:size], ordered[size:]
    median = float(np.median(upper))
    apart = upper[0] - lower[-1] > APART * max(np.ptp(lower), np.ptp(upper))
    low = lower[-1] < median - LOWER * abs(median)
    return float(lower[-1]) if 2 <= size <= len(upper) and apart and low else -math.inf


def leave_one_run_out(first: UserMetrics, second: UserMetrics, paired: bool) -> LeaveOneOut:
    """Compare again without each run of each model in turn, or without each pair of runs."""
    contrasts = []
    for run in range(first.seeds if first.seeds > 1 else 0):
        without = [other for other in range(first.seeds) if other != run]
        contrasts.append(crossed(first.only(without), second.only(without) if paired else second, paired))
    for run in range(second.seeds if second.seeds > 1 and not paired else 0):
        without = [other for other in range(second.seeds) if other != run]
        contrasts.append(crossed(first, second.only(without)))
    if not contrasts:
        return LeaveOneOut(math.nan, math.nan, math.nan)
    differences = [contrast.difference for contrast in contrasts]
    known = all(contrast.testable for contrast in contrasts)
    largest = max(contrast.p for contrast in contrasts) if known else math.nan
    return LeaveOneOut(min(differences), max(differences), largest)
