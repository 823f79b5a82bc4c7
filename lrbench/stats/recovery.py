"""How much of the cost of sharing an account does a method win back?

Three metrics of the same users and targets are compared:

    P   the method on shared accounts
    M   the plain model on shared accounts
    U   the plain model on users by themselves

    recovery = (P - M) / (U - M)

0 is no better than the plain model. 1 is as if nobody shared. The interval follows Fieller (1954): a value r
is inside if the crossed test does not reject P - M - r (U - M) = 0. Users and training runs are random (see
``crossed``). The interval is bounded only where the cost U - M is significantly above zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import optimize, stats

from lrbench.stats.contrast import seeds_missing
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics
from lrbench.stats.variance import sources_of_sum

__all__ = ["NO_COST", "Recovery", "recovery"]

NO_COST = "the test does not show that sharing costs the plain model anything"

_FARTHEST = 1e6
"""Distance from the estimate beyond which an interval counts as unbounded."""


@dataclass(frozen=True)
class Recovery:
    """The recovered part of the cost of sharing; NaN ends where there is no interval."""

    share: float
    """(P - M) / (U - M); NaN where sharing costs nothing at all."""

    low: float = math.nan
    high: float = math.nan
    reason: str = ""
    """Why there is no interval; empty where there is one."""

    costs_nothing: bool = False
    """Whether there is no interval because the test does not show that sharing costs anything."""


def recovery(
    method: UserMetrics, merged: UserMetrics, unmerged: UserMetrics, confidence: float = 0.95
) -> Recovery:
    """Estimate the recovered part and its interval.

    Args:
        method: the method on shared accounts, (seeds, users).
        merged: the plain model on the same accounts.
        unmerged: the plain model on users by themselves, with the same users in the same columns.
        confidence: confidence of the interval; the cost is tested at the level 1 - ``confidence``.

    Raises:
        ValueError: the numbers of users differ.
    """
    gain, cost = crossed(method, merged), crossed(unmerged, merged)
    share = gain.difference / cost.difference if cost.difference else math.nan
    if reason := seeds_missing(method, merged, unmerged) or cost.reason:
        return Recovery(share, reason=reason)
    if cost.difference <= 0 or cost.p > 1 - confidence:
        return Recovery(share, reason=NO_COST, costs_nothing=True)

    def excess(value: float) -> float:
        """Return how far the difference exceeds what the test allows; positive: it rejects this share."""
        sources = sources_of_sum((method, merged.scaled(value - 1), unmerged.scaled(-value)))
        error = math.sqrt(sources.variance)
        # The error is 0 if a deterministic method gives every user what a plain model gives.
        margin = float(stats.t.isf((1 - confidence) / 2, sources.df)) * error if error else 0.0
        return abs(gain.difference - value * cost.difference) - margin

    low, high = (_end(excess, share, direction) for direction in (-1, 1))
    if math.isnan(low + high):
        return Recovery(share, reason=NO_COST, costs_nothing=True)
    return Recovery(share, low, high)


def _end(excess: Callable[[float], float], inside: float, direction: int) -> float:
    """Return one end of the interval: where the test begins to reject; NaN where it never does.

    Args:
        excess: positive for values that the test rejects.
        inside: a value that it does not reject.
        direction: 1 for the upper end, -1 for the lower one.
    """
    if excess(inside) >= 0:  # a deterministic method that mixes both plain models, but for rounding
        return inside
    step = 0.1
    while excess(inside + direction * step) <= 0:
        step *= 2
        if step > _FARTHEST:
            return math.nan
    return float(optimize.brentq(excess, inside, inside + direction * step))
