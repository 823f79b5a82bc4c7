"""The crossed test: is one algorithm better than the other for users like these, training luck included?

Users and training runs are both random. With y the metric of (seed s, user u), D the difference of the
grand means of models A and B, S their numbers of seeds and U the number of users:

    v_A = var_s(mean_u y_A) / S_A                       luck of the training runs, and users × runs
    v_B = the same for B
    v_U = var_u(mean_s y_A - mean_s y_B) / U            users, and users × runs once more
    v_R = MS_A / (S_A U) + MS_B / (S_B U)               users × runs (residual mean square), counted twice
    v   = max(v_A + v_B + v_U - v_R, v_A + v_B, v_U)
    t   = D / sqrt(v),  df = v² / (v_A² / (S_A - 1) + v_B² / (S_B - 1) + v_U² / (U - 1))

df after Satterthwaite (1946). A deterministic model has one run: its seed and residual terms are zero and
leave v and df. Where users do not vary this is Welch's test on seed means, where runs do not vary it is
the paired t test over users.
"""

import math

import numpy as np

from lrbench.stats.contrast import NO_VARIATION, Contrast, seeds_missing
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["crossed"]


def crossed(first: UserMetrics, second: UserMetrics) -> Contrast:
    """Test ``first`` against ``second`` with users and training runs random.

    Both must have the same users in the same columns. Not testable with fewer than three seeds of a model
    that is not deterministic, or where nothing varies.

    Raises:
        ValueError: the numbers of users differ, or are below two.
    """
    if first.users != second.users or first.users < 2:
        raise ValueError(f"expected the same two or more users, got {first.users} and {second.users}")
    difference = first.mean - second.mean
    if reason := seeds_missing(first, second):
        return Contrast("crossed", difference, reason=reason)
    seeds = _seed_variance(first) + _seed_variance(second)
    users = float((first.user_means - second.user_means).var(ddof=1)) / first.users
    residual = _residual_variance(first) + _residual_variance(second)
    variance = max(seeds + users - residual, seeds, users)
    if math.sqrt(variance) <= 1e-12 * max(abs(first.mean), abs(second.mean)):
        return Contrast("crossed", difference, reason=NO_VARIATION)
    spread = users**2 / (first.users - 1)
    for model in (first, second):
        if not model.deterministic:
            spread += _seed_variance(model) ** 2 / (model.seeds - 1)
    return Contrast("crossed", difference, math.sqrt(variance), variance**2 / spread)


def _seed_variance(model: UserMetrics) -> float:
    """Variance of the grand mean that comes from training runs (with its share of users × runs)."""
    return 0.0 if model.deterministic else model.seed_sd**2 / model.seeds


def _residual_variance(model: UserMetrics) -> float:
    """Variance of the grand mean that comes from users × runs: residual mean square / cells."""
    if model.deterministic:
        return 0.0
    fitted = model.seed_means[:, None] + model.user_means - model.mean  # (seeds, users)
    freedom = (model.seeds - 1) * (model.users - 1)
    return float(np.square(model.values - fitted).sum()) / freedom / model.values.size
