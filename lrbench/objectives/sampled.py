"""Losses of a target against sampled items, for catalogues too wide for the full softmax or papers that
sample.

Here negatives are drawn and scored. What is made of the scores is in ``sampled_softmax.py``,
``binary_cross_entropy.py`` (``bce`` and ``gbce``) and ``bpr.py``. No targets × items matrix exists here.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.objectives.binary_cross_entropy import binary_cross_entropy, generalised_binary_cross_entropy
from lrbench.objectives.bpr import bpr
from lrbench.objectives.sampled_softmax import sampled_softmax
from lrbench.objectives.sparse_scores import chosen_scores

__all__ = ["SampledLoss", "draw_negatives", "sampled_loss"]

SampledLoss = Literal["sampled_softmax", "gbce", "bce", "bpr"]


def draw_negatives(targets: Tensor, n_items: int, number: int, shared: bool) -> Tensor:
    """Draw item numbers uniformly from torch's default generator.

    Args:
        targets: (targets,), for their number and device.
        n_items: items of the catalogue.
        number: negatives of each target.
        shared: whether all targets share one draw.

    Returns:
        (targets, number), or (number,) if shared.
    """
    shape = (number,) if shared else (len(targets), number)
    return torch.randint(n_items, shape, device=targets.device)


def sampled_loss(
    loss: SampledLoss,
    states: Tensor,
    item_vectors: Tensor,
    targets: Tensor,
    negatives: Tensor,
    power: float = 1.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean loss of targets against given negatives.

    Args:
        loss: which loss.
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        negatives: (targets, K), or (K,) for all targets. One that equals the target is no negative in the
            sampled softmax, and an ordinary one in the other losses, as in their authors' code.
        power: β of ``gbce``.
        weights: (targets,) what the loss of each target counts; they add up to 1. ``None``: all the same.
    """
    positive = (states * F.embedding(targets, item_vectors)).sum(1, keepdim=True)  # (targets, 1)
    if negatives.ndim == 1:
        negative = states @ F.embedding(negatives, item_vectors).T  # (targets, K)
    else:
        negative = chosen_scores(states, item_vectors, negatives)
    match loss:
        case "sampled_softmax":
            return sampled_softmax(
                positive, negative.masked_fill(negatives == targets.unsqueeze(1), -torch.inf), weights
            )
        case "gbce":
            return generalised_binary_cross_entropy(positive, negative, power, weights)
        case "bce":
            return binary_cross_entropy(positive, negative, weights)
        case "bpr":
            return bpr(positive, negative, weights)
