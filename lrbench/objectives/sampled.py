"""Losses of a target against sampled items: for large catalogues, and for models of papers that sample.

Here negatives are drawn and scored. The losses of these scores are in ``sampled_softmax.py``,
``binary_cross_entropy.py`` (``bce`` and ``gbce``) and ``bpr.py``. No targets × items matrix exists here.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.objectives.binary_cross_entropy import binary_cross_entropy, generalised_binary_cross_entropy
from lrbench.objectives.bpr import bpr
from lrbench.objectives.sampled_softmax import sampled_softmax
from lrbench.objectives.score_chunks import without_autocast
from lrbench.objectives.sparse_scores import chosen_scores

__all__ = ["SampledLoss", "draw_negatives", "sampled_loss"]

SampledLoss = Literal["sampled_softmax", "gbce", "bce", "bpr"]


def draw_negatives(targets: Tensor, n_items: int, number: int, shared: bool) -> Tensor:
    """Draw item numbers uniformly from torch's default generator. A target itself can be drawn too.

    Args:
        targets: (targets,). Their number and device count, not their values.
        n_items: items of the catalogue.
        number: negatives of each target.
        shared: whether all targets share one draw.

    Returns:
        Item numbers, (targets, number), or (number,) if shared.
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
    """Return the mean loss of targets against given negatives, a scalar.

    Args:
        loss: which loss.
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        negatives: item numbers, (targets, K), or (K,) for all targets. The sampled softmax leaves out a
            negative that equals the target. The other losses keep it, as their authors' code does.
        power: β of ``gbce``; see :func:`~lrbench.objectives.binary_cross_entropy.positive_power`.
        weights: (targets,) weight of each target's loss; they add up to 1. ``None``: all the same.
    """
    positive, negative = _scores(states, item_vectors, targets, negatives)
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


def _scores(
    states: Tensor, item_vectors: Tensor, targets: Tensor, negatives: Tensor
) -> tuple[Tensor, Tensor]:
    """Scores of the targets, (targets, 1), and of their negatives, (targets, K)."""
    if negatives.ndim == 1:
        with without_autocast(states, item_vectors.dtype) as dtype:  # as in `chosen_scores`
            states = states.to(dtype)
            positive = (states * F.embedding(targets, item_vectors)).sum(1, keepdim=True)
            return positive, states @ F.embedding(negatives, item_vectors).T
    chosen = torch.cat((targets.unsqueeze(1), negatives), 1)  # (targets, 1 + K), scored by one product
    positive, negative = torch.split(chosen_scores(states, item_vectors, chosen), [1, negatives.shape[1]], 1)
    return positive, negative
