"""Alignment of two views of the same rows by InfoNCE (van den Oord et al. 2018).

Row i of one view is pulled towards row i of the other view, and away from its other rows. The loss is
``F(p, q) = −mean_i log(exp(s(p_i, q_i)/τ) / Σ_m exp(s(p_i, q_m)/τ))``, where s is the dot product or the
cosine. Negatives are rows of the same batch. There is no stop-gradient.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

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
    similarities = (first / temperature) @ second.T  # (rows, rows)
    if excluded is not None:
        similarities.masked_fill_(excluded, -torch.inf)
    return (info_nce(similarities, weights) + info_nce(similarities.T, weights)) / 2


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
