"""Batches of few shapes: numbers of sequences, tokens and targets are rounded up to rungs of a ladder.

A recorded step can be replayed only on a batch of its own shape. Batches of one epoch differ a little in
their numbers. Rounded up, they share a few shapes. A batch is filled up with whole sequences that no real
target reads, and with targets that read them and have no weight. No state and no loss of real targets depends
on them.
"""

import numpy as np

from lrbench.arrays import Int64s

__all__ = ["filling", "length_rung", "rung"]

_STEPS_PER_DOUBLING = 8
"""Rungs between a number and its double, so that filling adds at most an eighth."""

_SMALLEST_STEP = 8


def rung(count: int) -> int:
    """The smallest rung that is not below a count of at least 1."""
    below = 1 << count.bit_length() - 1  # a power of 2, not above the count
    step = max(below // _STEPS_PER_DOUBLING, _SMALLEST_STEP)
    return -(-count // step) * step


def length_rung(longest: int, max_length: int) -> int:
    """The length to which sequences are padded: the next power of 2, at most ``max_length``."""
    return min(1 << (longest - 1).bit_length(), max_length)


def filling(lengths: Int64s) -> Int64s:
    """Lengths of the sequences that fill a batch up: at least one, none longer than the batch's longest.

    With these, the number of sequences and the number of tokens are rungs.

    Args:
        lengths: of the batch's own sequences, (sequences,), at least one.
    """
    longest, tokens = int(lengths.max()), int(lengths.sum())
    sequences = rung(len(lengths) + 1)
    while True:
        added = sequences - len(lengths)
        missing = rung(tokens + added) - tokens
        if missing <= added * longest:
            break
        sequences = rung(sequences + 1)
    shortest, rest = divmod(missing, added)
    return np.full(added, shortest, dtype=np.int64) + (np.arange(added) < rest)
