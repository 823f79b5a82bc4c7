"""Does a finding hang on one training run? Runs that collapsed, and a comparison without each run in turn."""

import math
from dataclasses import dataclass

import numpy as np

from lrbench.arrays import Floats
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["LeaveOneOut", "collapsed_runs", "leave_one_run_out"]

FAR = 5.0
"""Median deviations below the median beyond which a run stands apart."""

DEEP = 0.2
"""Share of the median below which it must also be: the deviations of three runs are often tiny."""


@dataclass(frozen=True)
class LeaveOneOut:
    """A difference without any one run: its range, and the largest p-value before any correction.

    NaN where no run can be left out.
    """

    low: float
    high: float
    largest_p: float
    """NaN where fewer than three runs remain."""


def collapsed_runs(seed_means: Floats) -> list[int]:
    """Places of runs, (seeds,), that lie far below the others: 5 median deviations and 20 % of the median."""
    median = float(np.median(seed_means))
    deviation = float(np.median(np.abs(seed_means - median)))
    gaps = median - seed_means  # (seeds,)
    far = (gaps > FAR * deviation) & (gaps > DEEP * abs(median))
    return np.flatnonzero(far).tolist() if len(seed_means) > 2 else []


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
