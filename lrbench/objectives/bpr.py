"""Bayesian personalised ranking (BPR): a target scores above each of its negatives.

Source: Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
"""

import torch.nn.functional as F
from torch import Tensor

__all__ = ["bpr"]


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """Mean of ``−log σ(p − n)`` over targets and negatives.

    Args:
        positive: (targets, 1) scores p of the targets.
        negative: (targets, K) scores n of their negatives.
    """
    return -F.logsigmoid(positive - negative).mean()
