"""Training and evaluation batches from views of the flat sequences.

Training data is a set of *windows*. A window is a range of input items, and the first of its positions from
which the next item is a target. Every target of the training part belongs to exactly one window, so an epoch
predicts each once, unless only the latest are asked for. If a network is causal, one window holds all targets
of a user.
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
    """Input sequences, and which of their tokens predict what."""

    sequences: Packed
    rows: Tensor  # (targets,) the token whose state predicts the target
    targets: Tensor  # (targets,) item numbers
    target_ids: Int64s  # (targets,) number of the target in `TrainingData`

    sequence_of: Int64s  # (targets,) number of the sequence of each target, known without the device
    next_items: Int64s  # (sequences,) the item after each sequence, its last target, likewise
    users: Tensor  # (targets,) number of each target's user; −1: it only fills the batch up
    ends_sequences: bool
    """Whether every target follows its whole sequence, as it does if each prefix is a row. It is known when
    the batch is planned, so that no step waits for the device to learn it."""

    one_each: bool = False
    """Whether the targets are those that follow each sequence, one each and in the order of the sequences."""

    weights: Tensor | None = None
    """(targets,): what the loss of each target counts; they add up to 1. ``None``: all count the same.
    Targets that only fill the batch up count 0. They come last and have no ``target_ids``."""

    parts_of: int | None = None
    """Targets of the whole batch, of which other processes have the rest; ``None``: this is the whole."""

    stands_in: bool = False
    """Whether another process has this part, too, since there are fewer windows than processes. The loss is
    computed, as every process takes part in every step, and weighs nothing."""

    @property
    def whole_targets(self) -> int:
        """Targets of the whole batch."""
        return len(self.target_ids) if self.parts_of is None else self.parts_of

    def no_negatives(self, same_user: bool) -> Tensor | None:
        """Mask of pairs of different targets that are no negatives of each other, (targets, targets).

        Args:
            same_user: whether pairs of one user are among them.

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
        view: what may be trained on.
        max_length: the most items a model sees.
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
        self.target_starts = first_items(
            view, self.target_at
        )  # (targets,) flat index of the user's first item

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
            team: the processes that share each batch; this one gets its part.
        """
        windows = np.arange(len(self.starts))
        counts = self.counts
        if keep is not None:
            counts = np.add.reduceat(keep, self.first_target, dtype=np.int64) if len(windows) else counts
            windows = windows[counts > 0]
        if shuffle is not None:
            windows = shuffle.permutation(windows)
        total = np.cumsum(counts[windows])
        number = (total - counts[windows]) // batch_size  # non-decreasing batch number of each window
        for chosen in np.split(windows, np.flatnonzero(np.diff(number)) + 1):
            if len(chosen):
                part = team.part(chosen)
                batch = self._batch(part if len(part) else chosen[:1], device, keep, filled)
                if team.count > 1:
                    whole = int(counts[chosen].sum())
                    batch = replace(batch, parts_of=whole, stands_in=not len(part))
                yield batch

    def prefixes(self, target_ids: Int64s, device: torch.device) -> Packed:
        """Pack the history before each given target, at most ``max_length`` items, in the given order."""
        stops = self.target_at[target_ids]
        starts = np.maximum(self.target_starts[target_ids], stops - self.max_length)
        return pack(self.view.items, starts, stops, device, self.view.times, members=self.view.members)

    def same_user(self, target_ids: Int64s, device: torch.device) -> Tensor:
        """Mask of pairs of different targets of one user, (targets, targets)."""
        user = on_device(self.target_starts[target_ids], device)
        return (user[:, None] == user).fill_diagonal_(False)

    def _batch(
        self, windows: Int64s, device: torch.device, keep: NDArray[np.bool_] | None, filled: bool
    ) -> TrainingBatch:
        starts, stops, counts = self.starts[windows], self.stops[windows], self.counts[windows]
        target_ids = ranges(self.first_target[windows], counts)
        window = np.repeat(np.arange(len(windows)), counts)
        within = self.target_at[target_ids] - 1 - starts[window]  # position of the predicting token in it
        if keep is not None:
            kept = keep[target_ids]
            target_ids, within, window = target_ids[kept], within[kept], window[kept]
        if keep is not None or self.view.labels is not None:
            last = np.searchsorted(window, np.arange(len(windows)), side="right") - 1
            stops = starts + within[last] + 1  # no earlier state depends on later inputs
        ends_sequences = bool((within == (stops - starts - 1)[window]).all())
        padded_length = None
        if filled:
            lengths = stops - starts
            longest, added = int(lengths.argmax()), filling(lengths)
            padded_length = length_rung(int(lengths[longest]), self.max_length)
            starts = np.append(starts, np.full(len(added), starts[longest]))
            stops = np.append(stops, starts[longest] + added)
        view = self.view
        sequences = pack(view.items, starts, stops, device, view.times, padded_length, view.members)
        rows = sequences.host.first[window] + within
        targets = self.view.items[self.target_at[target_ids]].astype(np.int64)
        users, weights = self.target_starts[target_ids], None
        if filled:
            real, missing = len(rows), rung(len(rows)) - len(rows)
            last = sequences.host.first[-1] + sequences.host.lengths[-1] - 1  # of a sequence that fills
            rows, targets, users = (
                np.append(values, np.full(missing, value, dtype=np.int64))
                for values, value in ((rows, last), (targets, 0), (users, -1))
            )
            weights = on_device(np.append(np.full(real, 1 / real), np.zeros(missing)), device)
        return TrainingBatch(
            sequences=sequences,
            rows=on_device(rows, device),
            targets=on_device(targets, device),
            target_ids=target_ids,
            sequence_of=window,
            next_items=self.view.items[stops].astype(np.int64),
            users=on_device(users, device),
            ends_sequences=ends_sequences,
            one_each=ends_sequences and not filled and len(rows) == sequences.n_sequences,
            weights=weights,
        )


def evaluation_batches(
    view: EvaluationView, max_length: int, batch_size: int, device: torch.device
) -> Iterator[tuple[slice, Packed]]:
    """Yield the histories of consecutive evaluated users, at most ``max_length`` items each."""
    for start in range(0, len(view), batch_size):
        users = slice(start, min(start + batch_size, len(view)))
        stops = view.stops[users]
        starts = np.maximum(view.starts[users], stops - max_length)
        yield users, pack(view.items, starts, stops, device, view.times, members=view.members)
