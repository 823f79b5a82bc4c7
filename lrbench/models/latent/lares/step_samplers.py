"""How many reasoning steps a training pass takes: one number for the whole batch, drawn for each pass.

The schemes are those of LARES's authors (BishopLiu/LARES @b09245d, ``randomized_iteration_sampler``). The
default goes back to Geiping et al. 2025. Plain Poisson schemes may draw 0. The authors' code then has no
state to return and fails. Here a draw of 0 counts as 1.
"""

import math
from typing import Literal

import torch

__all__ = ["StepSampler", "draw_steps"]

StepSampler = Literal["poisson-lognormal", "uniform", "poisson-unbounded", "poisson-bounded", "constant"]

_LOG_RATE_SD = 0.5


def draw_steps(sampler: StepSampler, mean: int) -> int:
    """Draw a number of steps from torch's default generator, at least 1 unless the mean is 0.

    Args:
        sampler: ``poisson-lognormal``: min(Poisson(λ) + 1, 3·mean) with λ log-normal of expectation ``mean``
            and log-sd 0.5, about mean + 1 steps in expectation. ``uniform``: 1 to 2·mean.
            ``poisson-unbounded``: Poisson(mean). ``poisson-bounded``: the same, at most 2·mean. ``constant``:
            the mean.
        mean: the mean depth.
    """
    if mean == 0:
        return 0
    match sampler:
        case "poisson-lognormal":
            log_mean = math.log(mean) - _LOG_RATE_SD**2 / 2
            rate = math.exp(torch.normal(log_mean, _LOG_RATE_SD, (1,)).item())
            return min(_poisson(rate) + 1, 3 * mean)
        case "uniform":
            return int(torch.randint(1, 2 * mean + 1, (1,)))
        case "poisson-unbounded":
            return max(_poisson(mean), 1)
        case "poisson-bounded":
            return min(max(_poisson(mean), 1), 2 * mean)
        case "constant":
            return mean


def _poisson(rate: float) -> int:
    return int(torch.poisson(torch.tensor(rate, dtype=torch.float64)))
