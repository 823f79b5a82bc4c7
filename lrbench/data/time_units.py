"""The unit of a source's times, recognised by their size."""

import numpy as np

from lrbench.arrays import Int64s

__all__ = ["per_second"]


def per_second(times: Int64s) -> int:
    """Return how many of the times' units make a second: 1, or more for times finer than seconds.

    Seconds since 1970 stay below 10^11 until the year 5138, milliseconds below 10^14, microseconds below
    10^17. The median decides, so that single wrong times do not matter.
    """
    typical = float(np.median(times)) if len(times) else 0.0
    return (1, 1000, 10**6, 10**9)[sum(typical > limit for limit in (1e11, 1e14, 1e17))]
