"""Means over the rows of a batch. Rows that only fill up a batch have the weight 0."""

from torch import Tensor

__all__ = ["mean_over_rows"]


def mean_over_rows(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of one value for each row.

    Args:
        values: (rows,).
        weights: (rows,) weight of each row; they add up to 1. ``None``: all the same.

    Returns:
        A scalar.
    """
    return values.mean() if weights is None else values @ weights.to(values.dtype)
