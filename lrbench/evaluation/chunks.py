"""Histories chunk by chunk: their states, and blocks of them whose scores are read together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.arrays import Int64s, ranges
from lrbench.data.batches import evaluation_batches
from lrbench.data.sequences import EvaluationView
from lrbench.data.transfer import on_device
from lrbench.models.base import Model

__all__ = ["HISTORIES_PER_CHUNK", "Block", "blocks", "encoded_chunks", "not_finite", "shortest_first"]

# Histories that are encoded together. Noise is drawn chunk by chunk, so the number is fixed on all machines:
# another one would give other noise and other ranks.
HISTORIES_PER_CHUNK = 512

# Scores that are counted together. Time for Beauty with two threads: all scores of a chunk 1.67 s, these
# blocks 1.27 s.
_SCORES_PER_BLOCK = {"cpu": 1 << 19}
_SCORES_PER_BLOCK_ACCELERATOR = 1 << 27

# Every block reads all item vectors from memory. With a million items, blocks of one history rank 67
# histories a second, and blocks of 32 rank 160.
_FEWEST_PER_BLOCK = 32


def shortest_first(model: Model, view: EvaluationView) -> Int64s:
    """Return the places of the histories by ascending length of what the model reads, (targets,).

    Histories of equal length need no padding.
    """
    lengths = np.minimum(view.stops - view.starts, model.max_length)
    return np.argsort(lengths, kind="stable")


def encoded_chunks(
    model: Model, view: EvaluationView, depths: Sequence[int], noise_seed: int, device: torch.device
) -> Iterator[tuple[slice, Tensor]]:
    """Yield the positions of each chunk and its states, (depths, histories, width).

    Noise is drawn as in ranking, if the histories of ``view`` are in the order of :func:`shortest_first`.

    Args:
        model: a trained model. It is put into evaluation mode.
        view: histories.
        depths: ascending reasoning depths.
        noise_seed: seed of the initial latent noise, which is drawn for every history.
        device: where the model is.
    """
    model.eval()
    noise = torch.Generator(device).manual_seed(noise_seed)
    for chunk, sequences in evaluation_batches(view, model.max_length, HISTORIES_PER_CHUNK, device):
        yield chunk, model.encode(sequences, depths, noise)


@dataclass(frozen=True)
class Block:
    """Some histories of a chunk, whose scores are read together."""

    in_view: slice
    """Their positions in the view."""

    in_chunk: slice
    """Their positions in the chunk."""

    seen: tuple[Tensor, Tensor]
    """Row in the block, and item, of each distinct item of these histories, (seen,) each. Targets are left
    out. Whole histories count, also beyond the maximum length."""


def blocks(view: EvaluationView, chunk: slice, device: torch.device) -> Iterator[Block]:
    """Cut a chunk into blocks whose scores fit into the cache while they are read."""
    capacity = _SCORES_PER_BLOCK.get(device.type, _SCORES_PER_BLOCK_ACCELERATOR)
    length = max(capacity // view.n_items, _FEWEST_PER_BLOCK)
    seen_by, seen_items = _seen_items(view, chunk)
    for start in range(chunk.start, chunk.stop, length):
        stop = min(start + length, chunk.stop)
        of_block = slice(*np.searchsorted(seen_by, (start, stop)))
        rows, items = seen_by[of_block] - start, seen_items[of_block]
        in_chunk = slice(start - chunk.start, stop - chunk.start)
        yield Block(slice(start, stop), in_chunk, (on_device(rows, device), on_device(items, device)))


def _seen_items(view: EvaluationView, chunk: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return position and item of each distinct seen item, (seen,) each, by ascending position."""
    starts, lengths = view.starts[chunk], view.stops[chunk] - view.starts[chunk]
    positions = np.repeat(np.arange(chunk.start, chunk.stop), lengths)
    items = view.items[ranges(starts, lengths)]
    pairs = np.unique(positions * view.n_items + items)
    positions, items = pairs // view.n_items, pairs % view.n_items
    kept = items != view.targets[positions]
    return positions[kept], items[kept]


def not_finite(scores: Tensor) -> Tensor:
    """Whether any score is NaN or infinite, a scalar. On the CPU a finite sum shows faster that none is."""
    if scores.device.type == "cpu" and torch.isfinite(scores.sum()):
        return torch.zeros((), dtype=torch.bool)
    return ~torch.isfinite(scores).all()
