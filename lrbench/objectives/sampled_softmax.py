"""Sampled softmax: the cross-entropy of a target against its negatives alone, not the whole catalogue."""

import torch
from torch import Tensor

from lrbench.objectives.means import mean_over_rows

__all__ = ["sampled_softmax"]


def sampled_softmax(positive: Tensor, negative: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean over targets of ``−log(exp(p) / (exp(p) + Σ exp(n_k)))``, a scalar.

    Args:
        positive: (targets, 1) scores p of the targets.
        negative: (targets, K) scores n of their negatives; −∞ where a negative is the target itself.
        weights: (targets,) weight of each target's loss; they add up to 1. ``None``: all the same.
    """
    losses = -torch.cat((positive, negative), 1).log_softmax(1)[:, 0]  # (targets,)
    return mean_over_rows(losses, weights)
