"""Cuts training sequences into windows: ranges of input items. Each target belongs to exactly one window."""

import numpy as np

from lrbench.arrays import Int64s, ranges
from lrbench.config.training import LongSequences, TrainingRows
from lrbench.data.sequences import TrainingView

__all__ = ["cut_windows", "first_items"]


def first_items(view: TrainingView, at: Int64s) -> Int64s:
    """Flat index of the oldest training interaction of the user to whom each flat index belongs."""
    return np.asarray(view.starts[np.searchsorted(view.starts, at, side="right") - 1])


def cut_windows(
    view: TrainingView, max_length: int, rows: TrainingRows, long_sequences: LongSequences
) -> tuple[Int64s, Int64s, Int64s]:
    """Cut every user's inputs (all training items but the last) into windows.

    Args:
        view: the interactions to train on.
        max_length: the most items that a window has.
        rows: ``positions``: one window has many targets; ``prefixes``: one window per target.
        long_sequences: how sequences longer than ``max_length`` are cut; see
            :class:`~lrbench.data.batches.TrainingData`.

    Returns:
        Flat indices, (windows,) each: the first input, one past the last input, and the first input that
        predicts a target.
    """
    trained = view.stops - view.starts >= 2
    starts, stops = view.starts[trained], view.stops[trained] - 1
    if long_sequences == "latest":
        starts = np.maximum(starts, stops - max_length)
    if rows == "prefixes":
        return _single_target_windows(starts, starts, stops, max_length)
    short = stops - starts <= max_length
    if long_sequences == "exact":
        head_stops = np.minimum(stops, starts + max_length)
        tail = _single_target_windows(starts[~short], head_stops[~short], stops[~short], max_length)
        head = (starts, head_stops, starts)
        return tuple(np.concatenate(parts) for parts in zip(head, tail, strict=True))  # type: ignore[return-value]
    # The first window predicts at all its positions, each further one at its second half.
    stride = max(max_length // 2, 1)
    extra = np.maximum(-(-(stops - starts - max_length) // stride), 0)  # further windows of each user
    user = np.repeat(np.arange(len(starts)), extra + 1)
    number = ranges(np.zeros(len(starts), dtype=np.int64), extra + 1)
    window_stops = np.minimum(starts[user] + max_length + number * stride, stops[user])
    window_starts = np.maximum(window_stops - max_length, starts[user])
    first = np.where(number == 0, starts[user], starts[user] + max_length + (number - 1) * stride)
    return window_starts, window_stops, first


def _single_target_windows(
    starts: Int64s, firsts: Int64s, stops: Int64s, max_length: int
) -> tuple[Int64s, Int64s, Int64s]:
    """One window for each input from ``first`` to ``stop``: it ends there and predicts its target."""
    counts = stops - firsts
    last = ranges(firsts, counts)
    user_start = np.repeat(starts, counts)
    return np.maximum(user_start, last + 1 - max_length), last + 1, last
