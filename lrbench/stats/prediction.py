"""Where would one more training run fall? A published number is one run, so it is compared with this."""

import math

from scipy import stats

__all__ = ["prediction_interval"]


def prediction_interval(mean: float, sd: float, runs: int) -> tuple[float, float]:
    """Return the 95 % prediction interval of one more run, mean ± t · sd · √(1 + 1 / runs); NaN for one run.

    It holds for the users of these runs. A run on another split or with other users varies more.
    """
    if runs < 2:
        return math.nan, math.nan
    margin = float(stats.t.isf(0.025, runs - 1)) * sd * math.sqrt(1 + 1 / runs)
    return mean - margin, mean + margin
