"""Work on long arrays piece by piece, so that no second array of their length is made."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.arrays import Bools, Int32s, Int64s

__all__ = ["compact", "count_codes", "pieces", "replace_codes"]

_PIECE = 1 << 21  # rows


def pieces(length: int) -> Iterator[slice]:
    """Yield slices that cover an array of this length."""
    return (slice(start, min(start + _PIECE, length)) for start in range(0, length, _PIECE))


def count_codes(codes: Int32s) -> Int64s:
    """Return how often each code occurs, (largest code + 1,)."""
    counts = np.zeros(int(codes.max(initial=-1)) + 1, dtype=np.int64)
    for piece in pieces(len(codes)):
        counts += np.bincount(codes[piece], minlength=len(counts))
    return counts


def replace_codes(codes: Int32s, numbers: Int32s) -> None:
    """Replace each code by its number, in place.

    Args:
        codes: what to replace, (rows,).
        numbers: the number of each code, (codes,).
    """
    for piece in pieces(len(codes)):
        codes[piece] = numbers[codes[piece]]


def compact(array: NDArray[Any], kept: Bools) -> NDArray[Any]:
    """Move the kept elements to the front, in place, and return that part of the array.

    Args:
        array: the array to compact, (rows,). Its other content is lost.
        kept: which elements to keep, (rows,).
    """
    count = 0
    for piece in pieces(len(array)):
        chosen = array[piece][kept[piece]]
        array[count : count + len(chosen)] = chosen
        count += len(chosen)
    return array[:count]
