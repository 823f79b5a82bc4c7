"""Is a difference the same for all users? Differences within groups, and between a group and all others."""

import math

import numpy as np

from lrbench.arrays import Floats, Int64s
from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed, matched
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["group_contrasts", "interaction_p", "quartiles"]


def quartiles(values: Int64s) -> Int64s:
    """Return the quartile of each value, (users,), from 0.

    Equal values share a group, so there may be fewer than four groups.
    """
    edges = np.quantile(values, [0.25, 0.5, 0.75], method="lower")
    return np.unique(np.searchsorted(edges, values), return_inverse=True)[1]


def group_contrasts(first: UserMetrics, second: UserMetrics, groups: Int64s, paired: bool) -> list[Contrast]:
    """Return the crossed test within each group of users, in the order of the groups.

    Args:
        first: (seeds, users).
        second: the same users.
        groups: number of each user's group, (users,), from 0 without gaps.
        paired: whether the runs share trained weights.
    """
    return [
        crossed(first.only(users=groups == group), second.only(users=groups == group), paired)
        for group in range(int(groups.max()) + 1)
    ]


def interaction_p(first: UserMetrics, second: UserMetrics, groups: Int64s, paired: bool) -> float:
    """Return the p-value of "the difference is the same in all groups"; NaN where not testable.

    Each group is tested against all other users. The result is the smallest p-value times the number of these
    tests, at most 1 (Bonferroni). Arguments as in :func:`group_contrasts`.
    """
    count = int(groups.max()) + 1
    if count < 2:
        return math.nan
    left, right = matched(first, second, paired)
    contrasts = [
        crossed(_against_rest(left, groups == group), _against_rest(right, groups == group))
        for group in range(count if count > 2 else 1)
    ]
    if not all(contrast.testable for contrast in contrasts):
        return math.nan
    return min(1.0, len(contrasts) * min(contrast.p for contrast in contrasts))


def _against_rest(model: UserMetrics, inside: np.ndarray) -> UserMetrics:
    """Return values whose mean over users is the group's mean minus the mean of the rest, in every run.

    A user's deviation from the mean of its side is scaled by users / size of that side. So the variance over
    users is that of the difference of the two means.
    """
    values: Floats = np.empty_like(model.values)
    means = {}
    for mask, sign in ((inside, 1.0), (~inside, -1.0)):
        part = model.values[:, mask]
        means[sign] = part.mean(axis=1, keepdims=True)  # (seeds, 1)
        values[:, mask] = sign * model.users / mask.sum() * (part - means[sign])
    return UserMetrics(values + means[1.0] - means[-1.0], model.deterministic)
