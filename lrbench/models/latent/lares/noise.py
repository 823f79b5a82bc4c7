"""Normal noise that is cut at a number of standard deviations."""

import math

import torch
from torch import Tensor, nn

__all__ = ["by_inverse", "truncated_normal"]


def truncated_normal(values: Tensor, deviation: float, cut: float, source: torch.Generator | None) -> None:
    """Fill a tensor with draws from a normal distribution of mean 0, cut on both sides.

    On the CPU torch draws until all values are within the cut. On an accelerator each round would wait for
    the device, so :func:`by_inverse` draws there.

    Args:
        values: of any shape; it is overwritten.
        deviation: standard deviation before the cut.
        cut: the largest magnitude, in standard deviations.
        source: generator on the tensor's device; ``None``: torch's default generator there.
    """
    if values.device.type == "cpu":
        limit = cut * deviation
        nn.init.trunc_normal_(values, std=deviation, a=-limit, b=limit, generator=source)
    else:
        by_inverse(values, deviation, cut, source)


def by_inverse(values: Tensor, deviation: float, cut: float, source: torch.Generator | None) -> None:
    """Fill a tensor as :func:`truncated_normal` does, in one round of uniform draws.

    The inverse of the distribution function maps them: ``x = σ·√2·erf⁻¹(u)`` with u uniform between
    ``±erf(cut / √2)``. The arguments are the same.
    """
    inside = math.erf(cut / math.sqrt(2))  # the probability of a value within the cut
    values.uniform_(-inside, inside, generator=source).erfinv_().mul_(deviation * math.sqrt(2))
    values.clamp_(-cut * deviation, cut * deviation)  # rounding may go beyond
