"""Gaussian diffusion on vectors: noise levels, the noising of a clean vector, and one reverse step.

Level 0 is clean and level T is almost pure noise: ``x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε`` (Ho et al., NeurIPS
2020). A reverse step follows DDIM (Song et al., ICLR 2021, equations 12 and 16). Its η says how much new
noise the step adds.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "NoiseSchedule",
    "ReverseStep",
    "drawn",
    "noised",
    "reverse_step",
    "sampler_levels",
    "signal_rates",
    "sinusoids",
]

_FREQUENCY_RANGE = 10_000.0  # the fastest sinusoid is almost this many times as fast as the slowest

NoiseSchedule = Literal["cosine", "linear", "truncated_linear"]

_OFFSET = 0.008  # of the cosine schedule (Nichol & Dhariwal, ICML 2021)
_LARGEST_BETA = 0.999


def signal_rates(levels: int, schedule: NoiseSchedule) -> Tensor:
    """Return ᾱ of the levels 0 to T, (levels + 1,), in float64. It falls from 1.

    Args:
        levels: T, at least 1.
        schedule: how ᾱ falls.

            - ``cosine``: as in Nichol & Dhariwal, ICML 2021, but without their upper limit on β.
            - ``linear``: β from 1e-4 to 0.02, times 1000 / T (Ho et al.), at most 0.999.
            - ``truncated_linear``: the same β plus 0.01. If the last one exceeds 1, it is
              0.001 · 1000 / T plus 0.01 instead (DiffuRec's code).
    """
    if schedule == "cosine":
        angles = (
            (torch.arange(levels + 1, dtype=torch.float64) / levels + _OFFSET) / (1 + _OFFSET) * math.pi / 2
        )
        rates = angles.cos().square()
        return rates / rates[0]
    scale = 1000 / levels
    first, last = scale * 1e-4, scale * 0.02
    if schedule == "truncated_linear":
        first, last = first + 0.01, last + 0.01
        last = last if last <= 1 else scale * 0.001 + 0.01
    betas = torch.linspace(first, last, levels, dtype=torch.float64)
    kept = (1 - betas.clamp(max=_LARGEST_BETA)).cumprod(0)
    return torch.cat((torch.ones(1, dtype=torch.float64), kept))


def sampler_levels(first: int, steps: int) -> list[int]:
    """Return the levels that a sampler visits, from ``first`` down to 0 in ``steps`` almost equal steps."""
    return [round(first * (steps - step) / steps) for step in range(steps + 1)]


def noised(clean: Tensor, rate: Tensor, noise: Tensor) -> Tensor:
    """Mix a clean vector with noise, (rows, width).

    Args:
        clean: x_0, (rows, width).
        rate: ᾱ of each row's level, (rows, 1) or a scalar.
        noise: ε, (rows, width).
    """
    return rate.sqrt() * clean + (1 - rate).sqrt() * noise


class ReverseStep(NamedTuple):
    """Distribution of the vector at the next lower level."""

    mean: Tensor  # (…, width)
    deviation: Tensor  # scalar


def reverse_step(state: Tensor, clean: Tensor, rate: Tensor, next_rate: Tensor, eta: float) -> ReverseStep:
    """Return the distribution of x at the next level, given x and the predicted clean vector.

    Args:
        state: x at the present level, (…, width).
        clean: x̂_0 that the denoiser predicts from it, (…, width).
        rate: ᾱ of the present level, a scalar below 1.
        next_rate: ᾱ of the next level, a scalar.
        eta: η. 0: no new noise. 1: as much as the ancestral sampler of Ho et al. adds.
    """
    noise = (state - rate.sqrt() * clean) / (1 - rate).sqrt()
    deviation = eta * ((1 - next_rate) / (1 - rate)).sqrt() * (1 - rate / next_rate).clamp(min=0).sqrt()
    direction = (1 - next_rate - deviation.square()).clamp(min=0).sqrt()
    return ReverseStep(next_rate.sqrt() * clean + direction * noise, deviation)


def sinusoids(level: Tensor, width: int) -> Tensor:
    """Embed noise levels as cosines and sines at falling frequencies, (…) → (…, width)."""
    half = (width + 1) // 2
    places = torch.arange(half, device=level.device, dtype=torch.float32)
    angles = level.to(torch.float32).unsqueeze(-1) * torch.exp(-math.log(_FREQUENCY_RANGE) * places / half)
    return torch.cat((angles.cos(), angles.sin()), -1)[..., :width]


def drawn(like: Tensor, noise: torch.Generator | None) -> Tensor:
    """Draw standard normal noise of a tensor's shape. The generator may be on another device.

    Args:
        like: gives shape, type and device.
        noise: the generator. ``None``: torch's default generator.
    """
    place = like.device if noise is None else noise.device
    return torch.randn(like.shape, generator=noise, dtype=like.dtype, device=place).to(like.device)
