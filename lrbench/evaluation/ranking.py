"""Full ranking: the mid-rank of every target among all items, with and without seen items.

A rank needs no sorting. It is 1 + (items scored above the target) + (other items with the same score) / 2.
Histories are scored in chunks, so there is never a matrix of all histories and all items. The masked rank
comes from the same pass: the contribution of seen items is subtracted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.arrays import Int64s
from lrbench.data.batches import evaluation_batches
from lrbench.data.packing import Packed
from lrbench.data.sequences import EvaluationView
from lrbench.data.transfer import on_device
from lrbench.errors import SettingsError
from lrbench.evaluation.chunks import HISTORIES_PER_CHUNK, blocks, not_finite, shortest_first
from lrbench.models.base import Model
from lrbench.team import ALONE, Team

__all__ = ["Encode", "NonFiniteScoresError", "Ranks", "rank_in_order", "rank_targets"]


class NonFiniteScoresError(SettingsError):
    """A model's scores are NaN or infinite, so its targets have no ranks.

    Args:
        depth: the reasoning depth of such scores.
    """

    def __init__(self, depth: int) -> None:
        super().__init__(
            f"The model gave scores that are NaN or infinite (depth {depth}).",
            "Lower the learning rate or set gradient_clip.",
        )


@dataclass(frozen=True)
class Ranks:
    """Ranks of one draw of the noise."""

    rank: NDArray[np.float64]  # (depths, targets)
    rank_masked: NDArray[np.float64]  # (depths, targets), seen items left out, the target kept
    ties: NDArray[np.int64]  # (depths, targets), number of other items with exactly the target's score
    ties_masked: NDArray[np.int64]  # (depths, targets), number of those that are not in the history

    def headline(self, masked: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return ranks and ties, (depths, targets) each. ``masked`` leaves seen items out."""
        return (self.rank_masked, self.ties_masked) if masked else (self.rank, self.ties)

    @classmethod
    def zeros(cls, depths: int, targets: int) -> Self:
        """Return arrays to be filled in."""
        shape = (depths, targets)
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    def fill_in(
        self, chunk: slice, greater: Int64s, equal: Int64s, seen_greater: Int64s, seen_equal: Int64s
    ) -> None:
        """Fill in the ranks of a chunk from the counts of :func:`_count`, (depths, targets) each."""
        self.rank[:, chunk] = 1 + greater + equal / 2
        self.rank_masked[:, chunk] = self.rank[:, chunk] - seen_greater - seen_equal / 2
        self.ties[:, chunk] = equal
        self.ties_masked[:, chunk] = equal - seen_equal

    def summed(self, team: Team) -> "Ranks":
        """Add up what the processes of a team have filled in."""
        rank, rank_masked = team.summed(self.rank), team.summed(self.rank_masked)
        return Ranks(rank, rank_masked, team.summed(self.ties), team.summed(self.ties_masked))

    def reordered(self, order: Int64s) -> "Ranks":
        """Return the ranks with the target ``order[i]`` at position i."""
        return Ranks(
            self.rank[:, order], self.rank_masked[:, order], self.ties[:, order], self.ties_masked[:, order]
        )


def rank_targets(
    model: Model,
    view: EvaluationView,
    depths: Sequence[int],
    noise_seed: int,
    device: torch.device,
    team: Team = ALONE,
) -> Ranks:
    """Rank every target at every depth.

    Args:
        model: a trained model. It is put into evaluation mode.
        view: histories and targets.
        depths: ascending reasoning depths.
        noise_seed: seed of the initial latent noise, which is drawn for every history.
        device: where the model is.
        team: the processes that rank together. Each ranks its chunks, and all get all ranks. If
            there is noise, each ranks all targets, since a chunk's noise depends on the chunks before it.

    Raises:
        NonFiniteScoresError: a score is NaN or infinite.
    """
    order = shortest_first(model, view)

    def encoded(_: slice, sequences: Packed, noise: torch.Generator) -> Tensor:
        return model.encode(sequences, depths, noise)

    shared = ALONE if model.draws_noise else team
    return rank_in_order(model, view, order, depths, noise_seed, device, encoded, shared)


Encode = Callable[[slice, Packed, torch.Generator], Tensor]
"""Takes a chunk's positions in the order, its histories, and the generator of noise. Returns states, (depths,
histories, width)."""


def rank_in_order(  # noqa: PLR0913, PLR0917 - model and data, order and noise, device and processes
    model: Model,
    view: EvaluationView,
    order: NDArray[np.int64],
    depths: Sequence[int],
    noise_seed: int,
    device: torch.device,
    encode: Encode,
    team: Team = ALONE,
) -> Ranks:
    """Rank every target, chunk by chunk in a given order.

    Args:
        model: a trained model. It is put into evaluation mode.
        view: histories and targets.
        order: place in the view of the target at each position, (targets,).
        depths: depths of the states that ``encode`` returns, for messages.
        noise_seed: seed of the initial latent noise, which is drawn for every history.
        device: where the model is.
        encode: returns the states of a chunk.
        team: the processes that share the chunks.

    Returns:
        Ranks in the order of ``view``.

    Raises:
        NonFiniteScoresError: a score is NaN or infinite.
    """
    model.eval()
    view = view.reordered(order)
    ranks = Ranks.zeros(len(depths), len(view))
    not_finite = np.zeros(len(depths), dtype=np.int64)
    noise = torch.Generator(device).manual_seed(noise_seed)
    not_ranked = None if view.not_ranked is None else on_device(view.not_ranked, device)
    with torch.inference_mode():
        chunks = evaluation_batches(view, model.max_length, HISTORIES_PER_CHUNK, device)
        for chunk, sequences in islice(chunks, team.number, None, team.count):
            states = encode(chunk, sequences, noise)  # (depths, histories, width)
            bad, *counts = _on_host(_count_chunk(model, view, chunk, states, not_ranked))
            not_finite += bad.any(1)
            if bad.any():
                break
            ranks.fill_in(chunk, *counts)
    if (not_finite := team.summed(not_finite)).any():
        raise NonFiniteScoresError(depths[int((not_finite > 0).argmax())])
    return ranks.summed(team).reordered(np.argsort(order))


def _count_chunk(
    model: Model, view: EvaluationView, chunk: slice, states: Tensor, not_ranked: Tensor | None
) -> Tensor:
    """Score a chunk in blocks, and count as :func:`_count` does, (5, depths, histories)."""
    device = states.device
    counts = []  # (5, depths, block) each
    for block in blocks(view, chunk, device):
        targets = on_device(view.targets[block.in_view].astype(np.int64), device)
        at_depths = [
            _count(model.score(state), targets, block.seen, not_ranked) for state in states[:, block.in_chunk]
        ]
        counts.append(torch.stack(at_depths, 1))
    return torch.cat(counts, 2)


def _count(scores: Tensor, targets: Tensor, seen: tuple[Tensor, Tensor], not_ranked: Tensor | None) -> Tensor:
    """Count the items with a greater score than the target's and those with an equal score.

    Args:
        scores: (targets, items).
        targets: item numbers, (targets,).
        seen: row and item of each seen item, (seen,) each.
        not_ranked: items that come after every target.

    Returns:
        (5, targets): 1 if any score of the block is NaN or infinite, else 0; greater and equal ones among all
        other items; greater and equal ones among the seen items.
    """
    bad = not_finite(scores).expand(len(scores))
    if not_ranked is not None:
        scores = scores.index_fill(1, not_ranked, -torch.inf)
    target_scores = scores.gather(1, targets[:, None])  # (targets, 1)
    # Flags in the scores' own type are several times faster to write and add up than booleans. The sums are
    # exact up to 2^24 items.
    flags = torch.empty_like(scores)
    greater = torch.gt(scores, target_scores, out=flags).sum(dim=1, dtype=torch.float32)
    equal = torch.eq(scores, target_scores, out=flags).sum(dim=1, dtype=torch.float32) - 1
    rows, items = seen
    seen_scores, level = scores[rows, items], target_scores[rows, 0]
    none = torch.zeros_like(targets)
    seen_greater = none.index_add(0, rows, (seen_scores > level).long())
    seen_equal = none.index_add(0, rows, (seen_scores == level).long())
    return torch.stack([count.long() for count in (bad, greater, equal, seen_greater, seen_equal)])


def _on_host(counts: Tensor) -> Int64s:
    """Read counts from the device. It is the only transfer of a chunk."""
    return np.asarray(counts.cpu().numpy())
