"""Means over rows, of which some may only fill a batch up."""

from torch import Tensor

__all__ = ["mean_over_rows"]


def mean_over_rows(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of one value for each row.

    Args:
        values: (rows,).
        weights: (rows,) what each row counts; they add up to 1. ``None``: all count the same.

    Returns:
        A scalar.
    """
    return values.mean() if weights is None else values @ weights.to(values.dtype)
