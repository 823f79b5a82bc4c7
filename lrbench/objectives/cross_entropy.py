"""Full softmax cross-entropy over the catalogue, whose gradients are computed in the forward pass."""

import torch
from torch import Tensor

from lrbench.objectives.log_probability import mean_loss

__all__ = ["cross_entropy"]


def cross_entropy(
    states: Tensor,
    item_vectors: Tensor,
    targets: Tensor,
    score_dtype: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the mean negative log-probability of the targets under the softmax over all items.

    Args:
        states: (targets, width). Divide them or the item vectors by a temperature first.
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        score_dtype: type of the scores of all items; ``None``: the type of the states.
        weights: (targets,) weight of each target's loss; they add up to 1. ``None``: all the same.

    Returns:
        A scalar, equal to ``F.cross_entropy(states @ item_vectors.T, targets)``.
    """
    return mean_loss(states, item_vectors, targets, _negative, score_dtype, weights)[0]


def _negative(logs: Tensor, rows: slice) -> tuple[Tensor, None]:
    """Each row's loss, (rows,). Its derivative with respect to the log-probability is −1."""
    return -logs, None
