"""Combine one difference over several datasets.

Two questions have two answers. How large is the difference on *these* datasets? Datasets are fixed, each has
the same weight, and only users and training runs are random. How large is it on *others like them*? Datasets
are random, too.

For the second, each dataset brings an effect y with its standard error s. Its weight is 1 / (s² + τ²), where
τ² is the variance of the true effects. Paule & Mandel (1982) choose τ² so that the weighted squares around
the mean add up to the number of datasets minus 1. The interval is that of Hartung & Knapp (2001), which holds
its level with few datasets.

Effects may be alike by chance, and then its error is smaller than that of their sampling alone. So it is at
least (Σ weights)^-½, as Knapp & Hartung (2003) propose and Röver, Knapp & Friede (2015) examine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from lrbench.arrays import Floats

__all__ = ["MIN_RANDOM", "MeanEffect", "equal_effects", "fixed_mean", "random_mean"]

MIN_RANDOM = 3
"""Fewest datasets from which others are inferred."""


@dataclass(frozen=True)
class MeanEffect:
    """A mean effect with its 95 % interval."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided p-value of "the mean effect is zero"; NaN where the mean has no error."""

    tau: float
    """Standard deviation of the true effects between datasets; 0 where datasets are fixed."""


def fixed_mean(effects: Sequence[float], errors: Sequence[float], df: Sequence[float]) -> MeanEffect:
    """Return the unweighted mean over these datasets, which share no users and no training runs.

    Its squared error is the sum of theirs over the squared number of datasets. The degrees of freedom are
    Satterthwaite's (1946).

    Args:
        effects: one for each dataset.
        errors: their standard errors, positive.
        df: degrees of freedom of these errors.
    """
    y, variances = np.asarray(effects, dtype=np.float64), np.square(np.asarray(errors, dtype=np.float64))
    joint = variances.sum()
    freedom = float(joint**2 / (variances**2 / np.asarray(df)).sum())
    return _interval(float(y.mean()), math.sqrt(joint) / len(y), freedom, tau=0.0)


def random_mean(effects: Sequence[float], errors: Sequence[float]) -> MeanEffect:
    """Return the mean over all datasets of which these are a sample.

    Its error is never smaller than that of the weighted mean on these datasets alone.

    Raises:
        ValueError: fewer than three effects.
    """
    y, s = np.asarray(effects, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    count = len(y)
    if count < MIN_RANDOM:
        raise ValueError(f"expected at least {MIN_RANDOM} effects, got {count}")

    def excess(tau_squared: float) -> float:
        return _weighted_squares(y, s**2 + tau_squared) - (count - 1)

    top = float(np.square(y - y.mean()).sum()) + 1e-300
    tau_squared = float(optimize.brentq(excess, 0.0, top)) if excess(0.0) > 0 else 0.0
    weights = 1 / (s**2 + tau_squared)
    mean = float((weights * y).sum() / weights.sum())
    ratio = _weighted_squares(y, 1 / weights) / (count - 1)
    error = math.sqrt(max(ratio, 1.0) / weights.sum())
    return _interval(mean, error, count - 1, math.sqrt(tau_squared))


def equal_effects(effects: Sequence[float], errors: Sequence[float]) -> float:
    """Return the p-value of "all true effects are equal" (Cochran's Q)."""
    y, s = np.asarray(effects, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    return float(stats.chi2.sf(_weighted_squares(y, s**2), len(y) - 1))


def _interval(mean: float, error: float, df: float, tau: float) -> MeanEffect:
    margin = float(stats.t.isf(0.025, df)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, df)) if error > 0 else math.nan
    return MeanEffect(mean, mean - margin, mean + margin, p, tau)


def _weighted_squares(y: Floats, variances: Floats) -> float:
    """Squares around the weighted mean, each over its variance."""
    mean = (y / variances).sum() / (1 / variances).sum()
    return float((np.square(y - mean) / variances).sum())
