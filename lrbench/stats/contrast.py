"""A difference between two models with its uncertainty, or the reason why there is none.

Every t test of this package returns a :class:`Contrast`, which gives the p-value and the interval.
"Not testable" is a value with a reason. It is never an exception and never "not significant".
"""

import math
from dataclasses import dataclass

from scipy import stats

from lrbench.stats.user_metrics import MIN_SEEDS, UserMetrics
from lrbench.wording import counted

__all__ = ["NO_VARIATION", "ONE_USER", "Contrast", "seeds_missing"]

NO_VARIATION = "the difference has no variation over users or training runs"

ONE_USER = "1 user, but a test needs at least 2"


def seeds_missing(*models: UserMetrics) -> str:
    """Say that a model has too few training runs for a test; empty where all have enough."""
    fewest = min((model.seeds for model in models if model.few_seeds), default=0)
    return f"{counted(fewest, 'seed')}, but a test needs at least {MIN_SEEDS}" if fewest else ""


@dataclass(frozen=True)
class Contrast:
    """A difference, its standard error and degrees of freedom; the latter two are NaN where not testable."""

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
    """Whether each run was compared with one run of the other model, as the two share trained weights."""

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
