"""What a comparison could have found: the smallest difference, and the runs that a given one takes.

Let e be the standard error and df the degrees of freedom. A two-sided t test at level α finds a true
difference δ with probability P(T > t(1 - α/2, df)). T is noncentral t with noncentrality δ / e. (The other
tail adds less than 10⁻⁶ at a power of 80 %.) The level is that of the family: α divided by its number of
tests. This is Holm's first step. Both answers are estimates, since e itself is estimated from few runs.
"""

import math

from scipy import special, stats

from lrbench.stats.contrast import Contrast
from lrbench.stats.user_metrics import MIN_SEEDS
from lrbench.stats.variance import Sources

__all__ = ["POWER", "minimum_detectable", "seeds_to_find"]

POWER = 0.8
MOST_SEEDS = 1000
"""More training runs than anybody would make."""


def minimum_detectable(contrast: Contrast, alpha: float = 0.05) -> float:
    """Smallest true difference found with probability 80 %; NaN where not testable."""
    return _factor(contrast.df, alpha) * contrast.standard_error


def seeds_to_find(sources: Sources, difference: float, alpha: float = 0.05) -> int | None:
    """Number of seeds of every model that would find a true difference with probability 80 %.

    Returns:
        At least 3. `None` where a thousand seeds would not do, so that only more users can help.
    """

    def found(seeds: int) -> bool:
        projected = sources.with_seeds(seeds)
        return _factor(projected.df, alpha) * math.sqrt(projected.variance) <= abs(difference)

    if not found(MOST_SEEDS):
        return None
    few, enough = MIN_SEEDS - 1, MOST_SEEDS
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if found(middle) else (middle, enough)
    return enough


def _factor(df: float, alpha: float) -> float:
    """The difference that is found, in standard errors."""
    return float(special.nctdtrinc(df, 1 - POWER, stats.t.isf(alpha / 2, df)))
