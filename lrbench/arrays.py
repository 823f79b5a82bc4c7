"""Types of numpy arrays for the whole package, and a helper for index ranges."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Int32s", "Int64s", "ranges"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]


def ranges(starts: Int64s, counts: Int64s) -> Int64s:
    """Concatenate ``arange(start, start + count)`` of all pairs, (ranges,) each → (sum of the counts,)."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) + np.repeat(starts - (ends - counts), counts), dtype=np.int64)
