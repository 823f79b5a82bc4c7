"""A global split at two points in time: nothing that happened after a target is trained on.

Training comes before the first point, validation between the two, test from the second on. Each point belongs
to what follows it. The ready-made splits of Amazon Reviews 2023 (Hou et al. 2024, "absolute timestamp") are
made in the same way. ReaRec (Tang et al., arXiv 2503.22675), PLR and ManCAR report on them. A user may have
several targets, or none. A target's history is everything of its user before it, in the order of preparation.
"""

from dataclasses import replace

import numpy as np

from lrbench.arrays import Bools, Int64s
from lrbench.config.protocol import Protocol, TimeSplit
from lrbench.data.sequences import EvaluationView, Sequences, Split, TrainingView
from lrbench.errors import RequestError

__all__ = ["by_time"]


def by_time(sequences: Sequences, protocol: Protocol) -> Split:
    """Split at the two points of ``protocol.time``.

    Raises:
        RequestError: the times cannot be compared between users, targets are chosen by ratings that are
            missing, or there are no targets.
    """
    settings = protocol.time
    if settings is None:
        raise ValueError("a split by time needs its settings")
    times = _comparable_times(sequences, protocol)
    first, second = settings.cuts or _quantiles(times, settings.quantiles)
    not_ranked = None
    if settings.known_items:
        known = np.zeros(sequences.n_items, dtype=bool)
        known[sequences.items[times < first]] = True
        not_ranked = np.flatnonzero(~known)
        sequences = _kept(sequences, known[sequences.items])
        times = _comparable_times(sequences, protocol)
    labels = _labels(sequences, settings, protocol)
    in_training = times < first
    targets = {
        "training": labels & in_training,
        "validation": labels & ~in_training & (times < second),
        "test": labels & (times >= second),
    }
    for what, chosen in targets.items():
        if not chosen.any():
            raise RequestError(
                f"The protocol {protocol.name} finds no {what} targets here: it cuts at {first} and "
                f"{second}, and the times reach from {times.min(initial=first)} to "
                f"{times.max(initial=second)}.",
                "Choose a dataset that covers both points in time, or another protocol.",
            )
    return Split(
        train=_train(sequences, targets["training"], in_training),
        valid=_held_out(sequences, targets["validation"], not_ranked),
        test=_held_out(sequences, targets["test"], not_ranked),
    )


def _comparable_times(sequences: Sequences, protocol: Protocol) -> Int64s:
    """Return the times of all interactions, (interactions,).

    Raises:
        RequestError: there are none, or they cannot be compared between users.
    """
    if sequences.times is None or sequences.own_clocks:
        fault = "has no times" if sequences.times is None else "counts times from each user's own start"
        raise RequestError(
            f"The protocol {protocol.name} splits all users at the same points in time, "
            f"but this data {fault}.",
            "Fetch a form of the dataset with time-stamps, or choose a leave-one-out protocol.",
        )
    return sequences.times


def _quantiles(times: Int64s, shares: tuple[float, float]) -> tuple[int, int]:
    """Return the time of the first interaction after each of two shares of all interactions."""
    ordered = np.sort(times)
    first, second = (int(ordered[min(int(share * len(times)), len(times) - 1)]) for share in shares)
    return first, second


def _kept(sequences: Sequences, keep: Bools) -> Sequences:
    """Return the kept interactions; users and items keep their numbers."""
    before = np.concatenate([[0], np.cumsum(keep)])  # kept interactions before each place
    times, ratings = sequences.times, sequences.ratings
    return replace(
        sequences,
        items=sequences.items[keep],
        offsets=before[sequences.offsets],
        times=None if times is None else times[keep],
        ratings=None if ratings is None else ratings[keep],
    )


def _labels(sequences: Sequences, settings: TimeSplit, protocol: Protocol) -> Bools:
    """Return which interactions may be targets, (interactions,), at any time.

    Raises:
        RequestError: targets are chosen by ratings, and there are none.
    """
    place = np.arange(len(sequences.items)) - np.repeat(sequences.offsets[:-1], sequences.lengths)
    labels: Bools = place >= settings.least_history
    if settings.rating_above is not None:
        if sequences.ratings is None:
            raise RequestError(
                f"The protocol {protocol.name} takes items rated above {settings.rating_above:g} as targets, "
                "but this data has no ratings.",
                "Fetch a form of the dataset with ratings, or choose another protocol.",
            )
        labels &= sequences.ratings > settings.rating_above
    return labels


def _train(sequences: Sequences, labels: Bools, in_training: Bools) -> TrainingView:
    """Return the beginnings of the users' sequences; users without any are left out."""
    before = np.concatenate([[0], np.cumsum(in_training)])
    counts = np.diff(before[sequences.offsets])  # (users,) a user's training interactions come first
    users = np.flatnonzero(counts)
    starts = sequences.offsets[:-1][users]
    return TrainingView(
        items=sequences.items,
        starts=starts,
        stops=starts + counts[users],
        n_items=sequences.n_items,
        times=sequences.times,
        labels=labels,
        users=users,
    )


def _held_out(sequences: Sequences, targets: Bools, not_ranked: Int64s | None) -> EvaluationView:
    at = np.flatnonzero(targets)
    users = np.searchsorted(sequences.offsets, at, side="right") - 1
    return EvaluationView(
        items=sequences.items,
        users=users,
        starts=sequences.offsets[users],
        stops=at,
        targets=sequences.items[at],
        n_items=sequences.n_items,
        times=sequences.times,
        not_ranked=not_ranked,
    )
