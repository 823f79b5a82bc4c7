"""Bayesian personalised ranking (BPR): a target scores above each of its negatives.

Source: Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
"""

import torch.nn.functional as F
from torch import Tensor

from lrbench.objectives.means import mean_over_rows

__all__ = ["bpr"]


def bpr(positive: Tensor, negative: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean of ``−log σ(p − n)`` over targets and negatives, a scalar.

    Args:
        positive: (targets, 1) scores p of the targets.
        negative: (targets, K) scores n of their negatives.
        weights: (targets,) weight of each target's loss; they add up to 1. ``None``: all the same.
    """
    logs = F.logsigmoid(positive - negative)  # (targets, K)
    return -(logs.mean() if weights is None else mean_over_rows(logs.mean(1), weights))
