"""Do these checkpoints differ on users? Tests that hold the trained weights fixed.

Their p-values are conditional on these checkpoints and say nothing about another training run.
Read as statements about algorithms, they find equal algorithms different in up to 40 % of cases.
That figure is simulated: 22,363 users, one run each, seed means that vary by 5 %, at a level of 5 %.
The paired t test and the sign-flip randomisation agree at recommender sizes (Smucker et al. 2007). There is
no Wilcoxon or sign test: their type-I error grows with the users (Ihemelandu & Ekstrand 2023).
"""

import math

import numpy as np

from lrbench.stats.contrast import NO_VARIATION, ONE_USER, Contrast
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["paired_users", "sign_flip"]

BLOCK_BYTES = 1 << 24


def paired_users(first: UserMetrics, second: UserMetrics) -> Contrast:
    """Paired t test over users on the means over runs, U - 1 degrees of freedom."""
    differences = first.user_means - second.user_means  # (users,)
    if first.users < 2:
        return Contrast("paired users", first.mean - second.mean, reason=ONE_USER)
    error = float(differences.std(ddof=1)) / math.sqrt(first.users)
    if error <= 1e-12 * float(np.abs(differences).max()):
        return Contrast("paired users", first.mean - second.mean, reason=NO_VARIATION, constant=True)
    return Contrast("paired users", first.mean - second.mean, error, first.users - 1.0)


def sign_flip(
    first: UserMetrics, second: UserMetrics, generator: np.random.Generator, draws: int = 10_000
) -> float:
    """Two-sided p-value of the sign-flip randomisation over users, (b + 1) / (draws + 1).

    ``b`` counts the draws whose random signs give a mean at least as far from zero as the observed one
    (Phipson & Smyth 2010 for the + 1). Users without a difference cannot change the mean and are left out.
    """
    differences = first.user_sums - second.user_sums
    differences = differences[differences != 0]  # (changed,)
    observed = abs(differences.sum()) * (1 - 1e-12)
    rows = max(1, BLOCK_BYTES // max(1, 8 * len(differences)))
    beyond = 0
    for start in range(0, draws, rows):
        shape = (min(rows, draws - start), len(differences))
        packed = generator.bytes(shape[0] * math.ceil(shape[1] / 8))
        bits = np.frombuffer(packed, np.uint8).reshape(shape[0], -1)
        heads = np.unpackbits(bits, axis=1, count=shape[1]).astype(np.float64)  # (rows, changed)
        sums = 2 * (heads @ differences) - differences.sum()
        beyond += int((np.abs(sums) >= observed).sum())
    return (beyond + 1) / (draws + 1)
