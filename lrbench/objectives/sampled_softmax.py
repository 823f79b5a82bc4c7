"""Sampled softmax: the cross-entropy of a target against its negatives alone, not the whole catalogue."""

import torch
from torch import Tensor

__all__ = ["sampled_softmax"]


def sampled_softmax(positive: Tensor, negative: Tensor) -> Tensor:
    """Mean over targets of ``−log(exp(p) / (exp(p) + Σ exp(n_k)))``.

    Args:
        positive: (targets, 1) scores p of the targets.
        negative: (targets, K) scores n of their negatives; −∞ where a negative is the target itself.
    """
    return (torch.cat((positive, negative), 1).logsumexp(1) - positive.squeeze(1)).mean()
