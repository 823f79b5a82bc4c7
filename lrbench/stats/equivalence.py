"""Are two models the same in practice? Two one-sided tests inside a region of practical equivalence.

A large p-value is no evidence for "no difference". An interval inside the region is (Schuirmann 1987; for
the region, Benavoli et al. 2017). The region is fixed before the runs. A margin that grew with the spread of
runs would call two models equivalent because one run collapsed.
"""

import math
from dataclasses import dataclass

from scipy import stats

from lrbench.stats.contrast import Contrast

__all__ = ["Equivalence", "equivalence"]


@dataclass(frozen=True)
class Equivalence:
    """Outcome of the two one-sided tests; NaN where not testable."""

    margin: float
    """Differences smaller than this do not matter in practice."""

    p: float
    """The larger of the two one-sided p-values."""

    shown: float
    """The smallest margin that these runs would have shown: the farther end of the 90 % interval."""

    reach: float
    """Half the width of the 90 % interval: these runs can show no smaller margin, whatever the difference."""

    @property
    def equivalent(self) -> bool:
        """Whether the 90 % interval lies inside ± margin, which is p ≤ 0.05."""
        return self.p <= 0.05

    @property
    def out_of_reach(self) -> bool:
        """Whether even two models without any observed difference could not be shown to be equivalent."""
        return self.reach > self.margin


def equivalence(contrast: Contrast, margin: float) -> Equivalence:
    """Test whether the difference lies inside ± ``margin``, which has the unit of the metric."""
    if not contrast.testable:
        return Equivalence(margin, math.nan, math.nan, math.nan)
    above = stats.t.sf((contrast.difference + margin) / contrast.standard_error, contrast.df)
    below = stats.t.sf((margin - contrast.difference) / contrast.standard_error, contrast.df)
    reach = float(stats.t.isf(0.05, contrast.df)) * contrast.standard_error
    return Equivalence(margin, float(max(above, below)), abs(contrast.difference) + reach, reach)
