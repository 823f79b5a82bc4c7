"""How large a difference is: relative, standardised, by pairs of runs, by users.

With thousands of users nearly every difference is significant (Ihemelandu & Ekstrand 2023). So a report
never gives a p-value without these.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from lrbench.stats.contrast import NO_VARIATION, Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics

__all__ = [
    "Relative",
    "UserCounts",
    "paired_effect",
    "probability_of_superiority",
    "ratio_change",
    "relative_difference",
    "user_counts",
]

TIE = 1e-12
"""A difference of means below this comes from rounding."""


@dataclass(frozen=True)
class Relative:
    """A relative difference (0.05 = 5 %) with its 95 % interval; NaN where it is not defined."""

    value: float
    low: float
    high: float
    log_error: float
    """Standard error of the logarithm of the ratio."""

    df: float
    """Degrees of freedom of this error."""


@dataclass(frozen=True)
class UserCounts:
    """On how many users the first model is better, equal, worse (means over runs).

    More runs make means smoother and ties rarer: compare counts only between equal numbers of seeds.
    """

    wins: int
    ties: int
    losses: int


def relative_difference(first: UserMetrics, second: UserMetrics, paired: bool = False) -> Relative:
    """Return ``first / second - 1`` with a 95 % interval in which users and runs are random.

    The interval is computed for the logarithm of the ratio. To first order the variance of
    log(mean_A / mean_B) is that of mean(y_A / mean_A) - mean(y_B / mean_B) (delta method). The crossed test
    estimates that variance. All is NaN where a mean is not positive.
    """
    if min(first.mean, second.mean) <= 0:
        return Relative(math.nan, math.nan, math.nan, math.nan, math.nan)
    ratio = first.mean / second.mean
    contrast = crossed(first.scaled(1 / first.mean), second.scaled(1 / second.mean), paired)
    if not contrast.testable:
        return Relative(ratio - 1, math.nan, math.nan, math.nan, math.nan)
    low, high = contrast.interval()
    low, high = ratio * math.exp(low) - 1, ratio * math.exp(high) - 1
    return Relative(ratio - 1, low, high, contrast.standard_error, contrast.df)


def ratio_change(
    first: tuple[UserMetrics, UserMetrics], second: tuple[UserMetrics, UserMetrics], paired: bool = False
) -> Contrast:
    """Test whether the ratio of two models' means differs between two metrics of the same runs and users.

    The difference is log(mean_A / mean_B) by the first metric minus the same by the second. A metric that is
    a multiple of another gives the same ratio, so a change of level alone is no change here. The variance is
    that of mean(y_A / mean_A - z_A / mean_z_A) - mean(y_B / mean_B - z_B / mean_z_B), by the crossed test
    (delta method). It is not testable where a mean is not positive.

    Args:
        first: model A by the metrics y and z, (seeds, users) each.
        second: model B by the same metrics.
        paired: whether the runs share trained weights.
    """
    levels = [(y.mean, z.mean) for y, z in (first, second)]
    if min(map(min, levels)) <= 0:
        return Contrast("crossed, of ratios", math.nan, reason="a mean is not positive", paired=paired)
    (a, a_other), (b, b_other) = levels
    difference = math.log(a / b) - math.log(a_other / b_other)
    left, right = (y.scaled(1 / y.mean).minus(z.scaled(1 / z.mean)) for y, z in (first, second))
    contrast = replace(crossed(left, right, paired), test="crossed, of ratios", difference=difference)
    if contrast.standard_error < TIE:
        return Contrast(contrast.test, difference, reason=NO_VARIATION, constant=True, paired=paired)
    return contrast


def paired_effect(first: UserMetrics, second: UserMetrics) -> float:
    """Return the standardised paired difference d: the mean of the users' differences / their deviation.

    The differences are of means over runs, so d grows with the number of runs. Compare it only between
    reports with equal numbers of seeds. NaN for one user, or where all users differ by the same amount.
    """
    if first.users < 2:
        return math.nan
    differences = first.user_means - second.user_means
    spread = float(differences.std(ddof=1))
    return float(differences.mean()) / spread if spread > TIE else math.nan


def probability_of_superiority(first: UserMetrics, second: UserMetrics) -> float:
    """Return P(A > B): the share of pairs of runs in which the first model's mean is higher.

    A tie counts half. Every run of one model is compared with every run of the other, even where runs are
    paired.
    """
    gaps = first.seed_means[:, None] - second.seed_means  # (first seeds, second seeds)
    return float((gaps > TIE).mean() + (np.abs(gaps) <= TIE).mean() / 2)


def user_counts(first: UserMetrics, second: UserMetrics) -> UserCounts:
    """Count the users on whom the first model is better, equal and worse."""
    differences = first.user_sums - second.user_sums
    wins, losses = int((differences > TIE).sum()), int((differences < -TIE).sum())
    return UserCounts(wins, len(differences) - wins - losses, losses)
