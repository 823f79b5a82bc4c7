"""Alignment of two views of the same rows by InfoNCE (van den Oord et al. 2018).

Row i of one view is pulled towards row i of the other view, and away from its other rows. The loss is
``F(p, q) = −mean_i log(exp(s(p_i, q_i)/τ) / Σ_m exp(s(p_i, q_m)/τ))``, where s is the dot product or the
cosine. Negatives are rows of the same batch. There is no stop-gradient.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrbench.objectives.means import mean_over_rows

__all__ = ["Similarity", "info_nce", "nt_xent", "symmetric_info_nce"]

Similarity = Literal["dot", "cos"]


def info_nce(similarities: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return InfoNCE of similarities, a scalar. Positives are on the diagonal.

    Args:
        similarities: (rows, rows), already divided by the temperature.
        weights: (rows,) weight of each row's loss; they add up to 1. ``None``: all the same.
    """
    positives = torch.arange(len(similarities), device=similarities.device)
    if weights is None:
        return F.cross_entropy(similarities, positives)
    return mean_over_rows(F.cross_entropy(similarities, positives, reduction="none"), weights)


def symmetric_info_nce(
    first: Tensor,
    second: Tensor,
    similarity: Similarity,
    temperature: float,
    excluded: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the mean of InfoNCE from the first view to the second and back.

    The gradient is computed in the forward pass, so that no (rows, rows) matrix is stored.

    Args:
        first: (rows, width).
        second: (rows, width). Row i is the positive of row i of the first view.
        similarity: dot product or cosine.
        temperature: divides the similarities.
        excluded: (rows, rows), symmetric, True where two rows are no negatives of each other. The diagonal
            must be False.
        weights: (rows,) weight of each row's loss; they add up to 1. ``None``: all the same.

    Returns:
        A scalar; 0 if no row has a negative.
    """
    if similarity == "cos":
        first, second = F.normalize(first, dim=-1), F.normalize(second, dim=-1)
    value: Tensor = _SymmetricInfoNCE.apply(  # type: ignore[no-untyped-call]
        first / temperature, second, excluded, weights
    )
    return value


class _SymmetricInfoNCE(torch.autograd.Function):
    """Let p_im be the softmax of row i of the similarities, and q_im that of column m.

    The loss is ``−Σ_i w_i·(log p_ii + log q_ii)/2``. Its gradient with respect to similarity (i, m) is
    ``(w_i·p_im + w_m·q_im)/2``, less w_i on the diagonal.
    """

    @staticmethod
    def forward(
        ctx: Any, first: Tensor, second: Tensor, excluded: Tensor | None, weights: Tensor | None
    ) -> Tensor:
        similarities = first @ second.T  # (rows, rows)
        if excluded is not None:
            similarities.masked_fill_(excluded, -torch.inf)
        by_row, by_column = similarities.log_softmax(1), similarities.log_softmax(0)
        of_positives = (by_row.diagonal() + by_column.diagonal()) / -2  # (rows,)
        by_row.exp_()
        by_column.exp_()
        if weights is None:
            gradient = by_row.add_(by_column).div_(2 * len(first))
            gradient.diagonal().sub_(1 / len(first))
        else:
            weights = weights.to(by_row.dtype)
            gradient = by_row.mul_(weights.unsqueeze(1)).addcmul_(by_column, weights).div_(2)
            gradient.diagonal().sub_(weights)
        ctx.save_for_backward(gradient @ second, gradient.T @ first)
        return mean_over_rows(of_positives, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_first, to_second = ctx.saved_tensors
        return gradient * to_first, gradient * to_second, None, None


def nt_xent(
    first: Tensor,
    second: Tensor,
    similarity: Similarity,
    temperature: float,
    excluded: Tensor | None = None,
) -> Tensor:
    """Return InfoNCE over both views at once (SimCLR; Chen et al. 2020).

    A row's positive is the same row of the other view. All other rows of both views are its negatives.

    Args:
        first: (rows, width).
        second: (rows, width). Row i is the positive of row i of the first view.
        similarity: dot product or cosine.
        temperature: divides the similarities.
        excluded: (rows, rows), symmetric, True where two rows are no negatives of each other. The diagonal
            must be False.

    Returns:
        A scalar, the mean over the rows of both views.
    """
    both = torch.cat((first, second))  # (2 · rows, width)
    if similarity == "cos":
        both = F.normalize(both, dim=-1)
    similarities = both @ both.T / temperature  # (2 · rows, 2 · rows)
    if excluded is not None:
        similarities = similarities.masked_fill(excluded.repeat(2, 2), -torch.inf)
    rows = len(first)
    similarities = similarities.masked_fill(torch.eye(2 * rows, device=both.device).bool(), -torch.inf)
    return F.cross_entropy(similarities, torch.arange(2 * rows, device=both.device).roll(rows))
