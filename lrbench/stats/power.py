"""The smallest difference that a comparison could have found, printed beside what it found.

With standard error e and df degrees of freedom a two-sided t test at level α has power 1 - β for

    δ = (t(1 - α/2, df) + t(1 - β, df)) · e

(the usual approximation of the noncentral t). For seed noise alone, two models with S runs each and
standard deviation σ, e = σ √(2 / S) and df = 2 S - 2: δ = 3.0 σ, 2.0 σ, 1.3 σ with S = 3, 5, 10. Before any
correction for several tests.
"""

import math

from scipy import stats

from lrbench.stats.contrast import Contrast

__all__ = ["minimum_detectable", "seed_noise_detectable"]


def minimum_detectable(contrast: Contrast, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true difference found with probability ``power``; NaN where not testable."""
    return _quantiles(contrast.df, power, alpha) * contrast.standard_error


def seed_noise_detectable(seed_sd: float, seeds: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The same from seed noise alone: two models with ``seeds`` runs of standard deviation ``seed_sd``."""
    if seeds < 2:
        return math.nan
    return _quantiles(2.0 * seeds - 2.0, power, alpha) * seed_sd * math.sqrt(2 / seeds)


def _quantiles(df: float, power: float, alpha: float) -> float:
    """Return t(1 - α/2, df) + t(power, df)."""
    return float(stats.t.isf(alpha / 2, df) + stats.t.ppf(power, df))
