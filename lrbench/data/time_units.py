"""The unit of a source's times, recognised by their size."""

from lrbench.arrays import Int64s

__all__ = ["per_second"]


def per_second(times: Int64s) -> int:
    """Return how many of the times' units make a second: 1, a thousand (milliseconds) or a million.

    Seconds since 1970 stay below 10^11 until the year 5138, and milliseconds below 10^14.
    """
    latest = int(times.max(initial=0))
    if latest > 10**14:
        return 10**6
    return 1000 if latest > 10**11 else 1
