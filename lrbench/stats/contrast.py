"""A difference between two models with its uncertainty, or the reason why there is none.

Every t-type test of this room ends in a :class:`Contrast`; p-values and intervals are read off it.
"Not testable" is data, never an exception and never "not significant".
"""

import math
from dataclasses import dataclass

from scipy import stats

from lrbench.stats.user_metrics import MIN_SEEDS, UserMetrics

__all__ = ["NO_VARIATION", "ONE_USER", "Contrast", "seeds_missing"]

NO_VARIATION = "the difference has no variation over users or training runs"

ONE_USER = "1 of the at least 2 users that a test needs"


def seeds_missing(*models: UserMetrics) -> str:
    """Return why models cannot be tested for want of training runs; empty where they can."""
    fewest = min((model.seeds for model in models if model.few_seeds), default=0)
    return f"{fewest} of the at least {MIN_SEEDS} seeds that a test needs" if fewest else ""


@dataclass(frozen=True)
class Contrast:
    """A difference, its standard error and degrees of freedom; NaN where not testable."""

    test: str
    """Name of the test, as reports print it."""

    difference: float
    """First minus second."""

    standard_error: float = math.nan
    """Standard error of the difference."""

    df: float = math.nan
    """Degrees of freedom of the t distribution."""

    reason: str = ""
    """Why the difference is not testable; empty where it is."""

    constant: bool = False
    """Whether it is not testable because it is the same for every user and training run."""

    paired: bool = False
    """Whether runs were compared one by one, because they share something."""

    @property
    def testable(self) -> bool:
        """Whether there is a p-value at all."""
        return not self.reason

    @property
    def t(self) -> float:
        """The t statistic."""
        return self.difference / self.standard_error

    @property
    def p(self) -> float:
        """Two-sided p-value of "no difference"."""
        return float(2 * stats.t.sf(abs(self.t), self.df))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the difference."""
        margin = float(stats.t.isf((1 - confidence) / 2, self.df)) * self.standard_error
        return self.difference - margin, self.difference + margin
