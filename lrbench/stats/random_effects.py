"""Combine one difference over several datasets, between which the true difference may vary.

Each dataset brings an effect y with its standard error s. Its weight is 1 / (s² + τ²), where τ² is the
variance of the true effects. Paule & Mandel (1982) choose τ² so that the weighted squares around the mean add
up to the number of datasets minus 1. The interval is that of Hartung & Knapp (2001), which holds its level
with few datasets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from lrbench.arrays import Floats

__all__ = ["MIN_EFFECTS", "RandomEffects", "random_effects"]

MIN_EFFECTS = 3


@dataclass(frozen=True)
class RandomEffects:
    """The mean effect with its 95 % interval, and how far the effects differ."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided p-value of "the mean effect is zero"; NaN where all effects are equal and τ is zero."""

    tau: float
    """Standard deviation of the true effects."""

    heterogeneity_p: float
    """p-value of "all true effects are equal" (Cochran's Q)."""

    effects: int
    """Number of datasets."""


def random_effects(effects: Sequence[float], errors: Sequence[float]) -> RandomEffects:
    """Combine three or more effects with positive standard errors.

    Raises:
        ValueError: fewer than three effects.
    """
    y, s = np.asarray(effects, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    count = len(y)
    if count < MIN_EFFECTS:
        raise ValueError(f"expected at least {MIN_EFFECTS} effects, got {count}")

    def excess(tau_squared: float) -> float:
        return _weighted_squares(y, s**2 + tau_squared) - (count - 1)

    top = float(np.square(y - y.mean()).sum()) + 1e-300
    tau_squared = float(optimize.brentq(excess, 0.0, top)) if excess(0.0) > 0 else 0.0
    weights = 1 / (s**2 + tau_squared)
    mean = float((weights * y).sum() / weights.sum())
    error = math.sqrt(_weighted_squares(y, 1 / weights) / (count - 1) / weights.sum())
    margin = float(stats.t.isf(0.025, count - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, count - 1)) if error > 0 else math.nan
    heterogeneity = float(stats.chi2.sf(_weighted_squares(y, s**2), count - 1))
    return RandomEffects(mean, mean - margin, mean + margin, p, math.sqrt(tau_squared), heterogeneity, count)


def _weighted_squares(y: Floats, variances: Floats) -> float:
    """Squares around the weighted mean, each over its variance."""
    mean = (y / variances).sum() / (1 / variances).sum()
    return float((np.square(y - mean) / variances).sum())
