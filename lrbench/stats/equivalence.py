"""Are two models the same for practice? Two one-sided tests inside a region of practical equivalence.

A large p-value is no evidence for "no difference"; an interval inside the region is (Schuirmann 1987;
for the region, Benavoli et al. 2017).
"""

import math
from dataclasses import dataclass

from scipy import stats

from lrbench.stats.contrast import Contrast
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["Equivalence", "equivalence", "practical_margin"]


@dataclass(frozen=True)
class Equivalence:
    """Outcome of the two one-sided tests."""

    margin: float
    """Differences smaller than this do not matter in practice."""

    p: float
    """The larger of the two one-sided p-values; NaN where not testable."""

    @property
    def equivalent(self) -> bool:
        """Whether the 90 % interval lies inside ± margin, which is p ≤ 0.05."""
        return self.p <= 0.05


def practical_margin(baseline: UserMetrics) -> float:
    """1 % of the baseline's mean, or the standard deviation of its runs where that is larger."""
    spread = baseline.seed_sd
    return max(0.01 * abs(baseline.mean), 0.0 if math.isnan(spread) else spread)


def equivalence(contrast: Contrast, margin: float) -> Equivalence:
    """Test whether the difference lies inside ± ``margin``."""
    if not contrast.testable:
        return Equivalence(margin, math.nan)
    above = stats.t.sf((contrast.difference + margin) / contrast.standard_error, contrast.df)
    below = stats.t.sf((margin - contrast.difference) / contrast.standard_error, contrast.df)
    return Equivalence(margin, float(max(above, below)))
