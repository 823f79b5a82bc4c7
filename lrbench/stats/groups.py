"""Is a difference the same for all users? Differences within groups, and between a group and all others."""

import math

import numpy as np

from lrbench.arrays import Bools, Floats, Int64s
from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed, sides_of_test
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

    Each group is tested against all other users, if the difference can be tested on both sides. So a group of
    one user is only among the others. The result is the smallest p-value times the number of these tests, at
    most 1 (Bonferroni). Arguments as in :func:`group_contrasts`.
    """
    count = int(groups.max()) + 1
    left, right = sides_of_test(first, second, paired)
    p_values = []
    for group in range(count if count > 2 else count - 1):
        inside = groups == group
        sides = [crossed(left.only(users=side), right.only(users=side)) for side in (inside, ~inside)]
        if all(side.testable for side in sides):
            contrast = _against_rest(left, right, inside)
            p_values += [contrast.p] if contrast.testable else []
    return min(1.0, len(p_values) * min(p_values)) if p_values else math.nan


def _against_rest(left: UserMetrics, right: UserMetrics, inside: Bools) -> Contrast:
    """Test the difference inside a group minus the difference in the rest; both have two or more users.

    As in Welch's test, each side has its own variance over users and its own degrees of freedom.
    """
    sides = [(left.only(users=side), right.only(users=side)) for side in (inside, ~inside)]
    parts = [one.user_means - other.user_means for one, other in sides]  # (users of the side,) each
    variances = [float(part.var(ddof=1)) / len(part) for part in parts]
    spread = sum(one**2 / (len(part) - 1) for one, part in zip(variances, parts, strict=True))
    df = sum(variances) ** 2 / spread if spread > 0 else left.users - 2.0
    return crossed(_side_by_side(left, inside), _side_by_side(right, inside), df_users=df)


def _side_by_side(model: UserMetrics, inside: Bools) -> UserMetrics:
    """Return values whose mean over users is the group's mean minus the mean of the rest, in every run.

    Let U be the number of users, of which n are on one side. A user's deviation from the mean of that side is
    multiplied by √(U (U - 1) / (n (n - 1))). So the variance of the mean over users is the sum of the
    variances of both means. The same holds for users × runs.
    """
    values: Floats = np.empty_like(model.values)
    difference: Floats = np.zeros((model.seeds, 1))
    for side, sign in ((inside, 1.0), (~inside, -1.0)):
        part, size = model.only(users=side).values, int(side.sum())
        mean = part.mean(axis=1, keepdims=True)  # (seeds, 1)
        scale = math.sqrt(model.users * (model.users - 1) / (size * (size - 1)))
        values[:, side] = sign * scale * (part - mean)
        difference += sign * mean
    return UserMetrics(values + difference, model.deterministic)
