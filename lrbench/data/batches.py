"""Training and evaluation batches from views of the flat sequences.

Training data is a set of *windows*. A window is a range of input items with a first predicting position: from
there on, the item after each position is a target. Every target of the training part belongs to exactly one
window, so an epoch predicts each once (``latest`` leaves some out). If a network is causal, one window can
hold all targets of a user.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.arrays import Int64s, ranges
from lrbench.config.training import LongSequences, TrainingRows
from lrbench.data.packing import Packed, pack
from lrbench.data.rungs import filling, length_rung, rung
from lrbench.data.sequences import EvaluationView, TrainingView
from lrbench.data.transfer import on_device
from lrbench.data.windows import cut_windows, first_items
from lrbench.team import ALONE, Team

__all__ = ["TrainingBatch", "TrainingData", "evaluation_batches"]


@dataclass(frozen=True)
class TrainingBatch:
    """Input sequences, their targets, and the token that predicts each."""

    sequences: Packed
    rows: Tensor  # (targets,) the token whose state predicts the target
    targets: Tensor  # (targets,) item numbers
    target_ids: Int64s  # (targets,) number of the target in `TrainingData`

    sequence_of: Int64s  # (targets,) number of the sequence of each target, known without the device
    next_items: Int64s  # (sequences,) the item after each sequence, its last target; on the host, too
    users: Tensor  # (targets,) a number that only targets of one user share; −1: it only fills the batch up
    ends_sequences: bool
    """Whether every target comes right after the end of its sequence, as it does if each prefix is a row.
    Batches know it in advance, so that no step has to wait for the device to find out."""

    one_each: bool = False
    """Whether each sequence has exactly one target, the item after it, in the order of the sequences."""

    weights: Tensor | None = None
    """(targets,): the weight of each target's loss; they add up to 1. ``None``: equal weights. Targets that
    only fill the batch up have weight 0. They come last and have no ``target_ids``."""

    team_targets: int | None = None
    """Number of targets of the whole batch, if other processes have the rest. ``None``: this is all of it."""

    stands_in: bool = False
    """Whether another process has this part, too, because there are fewer windows than processes. The loss is
    computed, since every process takes part in every step, but it has weight 0."""

    @property
    def whole_targets(self) -> int:
        """Targets of the whole batch."""
        return len(self.target_ids) if self.team_targets is None else self.team_targets

    def no_negatives(self, same_user: bool) -> Tensor | None:
        """Mask of pairs of different targets that must not be negatives of each other, (targets, targets).

        Args:
            same_user: whether two targets of one user are such a pair.

        Returns:
            The mask, or ``None`` if there are no such pairs.
        """
        mask = self.users[:, None] == self.users if same_user else None
        if self.weights is not None:
            filling = self.users < 0
            pairs = filling[:, None] | filling
            mask = pairs if mask is None else mask | pairs
        return None if mask is None else mask.fill_diagonal_(False)


class TrainingData:
    """All targets of a training view, cut into windows.

    Args:
        view: the interactions to train on.
        max_length: the most items that a model sees.
        rows: ``positions``: one window per user (more if the sequence is longer than ``max_length``) with
            every position a target. ``prefixes``: one window per target, for networks that are not causal.
        long_sequences: ``windowed``: overlapping windows, each target once with at least half of
            ``max_length`` as context. ``exact``: one window per target beyond ``max_length``. ``latest``:
            only the latest ``max_length`` inputs of a user are trained on.
    """

    def __init__(
        self,
        view: TrainingView,
        max_length: int,
        rows: TrainingRows = "positions",
        long_sequences: LongSequences = "windowed",
    ) -> None:
        self.view = view
        self.max_length = max_length
        starts, stops, first = cut_windows(view, max_length, rows, long_sequences)
        counts = stops - first
        target_at = ranges(first, counts) + 1
        if view.labels is not None and len(counts):
            allowed = view.labels[target_at]
            counts = np.add.reduceat(allowed, np.cumsum(counts) - counts, dtype=np.int64)
            target_at, predicting = target_at[allowed], counts > 0
            starts, stops, counts = starts[predicting], stops[predicting], counts[predicting]
        self.starts = starts  # (windows,) flat index of the first input
        self.stops = stops  # (windows,) one past the last input; the target of input i is item i + 1
        self.counts = counts  # (windows,) targets of each, at least 1
        self.first_target = np.cumsum(counts) - counts  # (windows,) number of the window's first target
        self.target_at = target_at  # (targets,) flat index of each target
        # (targets,) flat index of the first item of the target's user
        self.target_starts = first_items(view, self.target_at)

    @property
    def n_targets(self) -> int:
        """How many targets an epoch has."""
        return len(self.target_at)

    @property
    def target_items(self) -> NDArray[np.int32]:
        """The item of each target, (targets,)."""
        return np.asarray(self.view.items[self.target_at])

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        shuffle: np.random.Generator | None = None,
        keep: NDArray[np.bool_] | None = None,
        filled: bool = False,
        team: Team = ALONE,
    ) -> Iterator[TrainingBatch]:
        """Yield batches of about ``batch_size`` targets, window by window.

        Args:
            batch_size: targets per batch. A window is never cut, so batches differ a little.
            device: where to put the tensors.
            shuffle: draws the order of the windows; ``None``: their own order.
            keep: targets to train on, (targets,); ``None``: all. A window then ends where its last kept
                target is predicted.
            filled: fill every batch up to one of a few shapes; see :mod:`lrbench.data.rungs`.
            team: the processes that share each batch. Each of them yields its own part.
        """
        counts = self._kept_counts(keep)
        windows = np.flatnonzero(counts)
        if shuffle is not None:
            windows = shuffle.permutation(windows)
        for chosen in np.split(windows, _batch_starts(counts[windows], batch_size)):
            if len(chosen):
                part = team.part(chosen)
                batch = self._batch(part if len(part) else chosen[:1], device, keep, filled)
                if team.count > 1:
                    whole = int(counts[chosen].sum())
                    batch = replace(batch, team_targets=whole, stands_in=not len(part))
                yield batch

    def n_batches(
        self,
        batch_size: int,
        shuffle: np.random.Generator | None = None,
        keep: NDArray[np.bool_] | None = None,
    ) -> int:
        """How many batches :meth:`batches` yields with these arguments.

        A window is never cut. If windows differ in their targets, the number depends on their order.
        """
        counts = self._kept_counts(keep)
        counts = counts[counts > 0]
        if shuffle is not None and len(np.unique(counts)) > 1:
            counts = shuffle.permutation(counts)
        return len(_batch_starts(counts, batch_size)) + 1 if len(counts) else 0

    def history_lengths(self, target_ids: Int64s) -> Int64s:
        """How many items a model sees before each given target, (targets,)."""
        before = self.target_at[target_ids] - self.target_starts[target_ids]
        return np.asarray(np.minimum(before, self.max_length))

    def prefixes(self, target_ids: Int64s, device: torch.device) -> Packed:
        """Pack the history before each given target, at most ``max_length`` items, in the given order."""
        stops = self.target_at[target_ids]
        starts = stops - self.history_lengths(target_ids)
        return pack(self.view.items, starts, stops, device, self.view.times, members=self.view.members)

    def same_user(self, target_ids: Int64s, device: torch.device) -> Tensor:
        """Mask of pairs of different targets of one user, (targets, targets)."""
        user = on_device(self.target_starts[target_ids], device)
        return (user[:, None] == user).fill_diagonal_(False)

    def _kept_counts(self, keep: NDArray[np.bool_] | None) -> Int64s:
        """Return the kept targets of each window, (windows,)."""
        if keep is None or not len(self.counts):
            return self.counts
        return np.add.reduceat(keep, self.first_target, dtype=np.int64)

    def _batch(
        self, windows: Int64s, device: torch.device, keep: NDArray[np.bool_] | None, filled: bool
    ) -> TrainingBatch:
        view, cut = self.view, self._cut(windows, keep)
        starts, stops, padded_length = cut.starts, cut.stops, None
        if filled:
            starts, stops, padded_length = _with_filling(starts, stops, self.max_length)
        sequences = pack(view.items, starts, stops, device, view.times, padded_length, view.members)
        rows = sequences.host.first[cut.window] + cut.within
        targets = view.items[self.target_at[cut.target_ids]].astype(np.int64)
        users, weights = self.target_starts[cut.target_ids], None
        if filled:
            real, missing = len(rows), rung(len(rows)) - len(rows)
            filling_token = sequences.host.first[-1] + sequences.host.lengths[-1] - 1
            rows, targets, users = (
                np.append(values, np.full(missing, value, dtype=np.int64))
                for values, value in ((rows, filling_token), (targets, 0), (users, -1))
            )
            weights = on_device(np.append(np.full(real, 1 / real), np.zeros(missing)), device)
        return TrainingBatch(
            sequences=sequences,
            rows=on_device(rows, device),
            targets=on_device(targets, device),
            target_ids=cut.target_ids,
            sequence_of=cut.window,
            next_items=view.items[stops].astype(np.int64),
            users=on_device(users, device),
            ends_sequences=cut.ends_sequences,
            one_each=cut.ends_sequences and not filled and len(rows) == sequences.n_sequences,
            weights=weights,
        )

    def _cut(self, windows: Int64s, keep: NDArray[np.bool_] | None) -> "_Cut":
        """Cut windows to the inputs that their kept targets need."""
        starts, stops, counts = self.starts[windows], self.stops[windows], self.counts[windows]
        target_ids = ranges(self.first_target[windows], counts)
        window = np.repeat(np.arange(len(windows)), counts)
        within = self.target_at[target_ids] - 1 - starts[window]
        if keep is not None:
            kept = keep[target_ids]
            target_ids, within, window = target_ids[kept], within[kept], window[kept]
        if keep is not None or self.view.labels is not None:
            # (windows,) place of each window's last target
            last = np.searchsorted(window, np.arange(len(windows)), side="right") - 1
            stops = starts + within[last] + 1  # later inputs change no earlier state
        return _Cut(starts, stops, target_ids, window, within)


def _batch_starts(counts: Int64s, batch_size: int) -> Int64s:
    """Return the places of the windows that start a batch, except the first.

    Args:
        counts: targets of each window in their order, (windows,).
        batch_size: targets of a batch, about.
    """
    number = (np.cumsum(counts) - counts) // batch_size  # non-decreasing batch number of each window
    return np.flatnonzero(np.diff(number)) + 1


@dataclass(frozen=True)
class _Cut:
    """Windows of a batch, cut to the inputs that their targets need."""

    starts: Int64s  # (windows,) flat index of the first input
    stops: Int64s  # (windows,) one past the last input
    target_ids: Int64s  # (targets,)
    window: Int64s  # (targets,) place of each target's window
    within: Int64s  # (targets,) position in its window that predicts it

    @property
    def ends_sequences(self) -> bool:
        """Whether every target comes right after its window's last input."""
        return bool((self.within == (self.stops - self.starts - 1)[self.window]).all())


def _with_filling(starts: Int64s, stops: Int64s, max_length: int) -> tuple[Int64s, Int64s, int]:
    """Append sequences that only fill a batch up. They repeat the start of its longest sequence.

    Returns:
        Starts and stops of all sequences, (sequences,), and the length to which they are padded.
    """
    lengths = stops - starts
    longest, added = int(lengths.argmax()), filling(lengths)
    starts = np.append(starts, np.full(len(added), starts[longest]))
    stops = np.append(stops, starts[longest] + added)
    return starts, stops, length_rung(int(lengths[longest]), max_length)


def evaluation_batches(
    view: EvaluationView, max_length: int, batch_size: int, device: torch.device
) -> Iterator[tuple[slice, Packed]]:
    """Yield a slice of the view and the histories of its targets, at most ``max_length`` items each."""
    for start in range(0, len(view), batch_size):
        batch = slice(start, min(start + batch_size, len(view)))
        stops = view.stops[batch]
        starts = np.maximum(view.starts[batch], stops - max_length)
        yield batch, pack(view.items, starts, stops, device, view.times, members=view.members)
