"""Context tokens: neighbours of the latest items stand before the history, without positions."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from lrbench.arrays import ranges
from lrbench.data.packing import Packed, pack
from lrbench.models.layers.embeddings import InputEmbedding

__all__ = ["ContextEmbedding", "PackedWithContext", "with_context"]


@dataclass(frozen=True)
class PackedWithContext(Packed):
    """Histories after their context tokens."""

    history_positions: Tensor | None = None  # (tokens,) position in the history; negative at context tokens


def with_context(sequences: Packed, neighbours: Tensor, latest: int) -> PackedWithContext:
    """Put the neighbours of each history's latest items before it, those of the last item first.

    Args:
        sequences: the histories.
        neighbours: of each item, (items, number); −1 where there are fewer, and those make no tokens.
        latest: how many items of a history have their neighbours there.
    """
    items, graph = sequences.items.cpu().numpy(), neighbours.cpu().numpy()
    first, last = sequences.first.cpu().numpy(), sequences.last.cpu().numpy()
    places = last[:, None] - np.arange(latest)  # (sequences, latest)
    exist = places >= first[:, None]
    candidates = graph[items[np.where(exist, places, first[:, None])]]  # (sequences, latest, number)
    real = (exist[:, :, None] & (candidates >= 0)).reshape(len(first), -1)
    context = real.sum(1)  # (sequences,) tokens
    lengths = last - first + 1
    stops = np.cumsum(context + lengths)
    starts = stops - context - lengths
    flat = np.empty(stops[-1], dtype=np.int64)
    within = np.arange(len(flat)) - np.repeat(starts, context + lengths)
    of_context = within < np.repeat(context, context + lengths)
    flat[of_context] = candidates.reshape(len(first), -1)[real]
    source = ranges(first, lengths)
    flat[~of_context] = items[source]
    packed = pack(flat, starts, stops, sequences.items.device)
    shift = torch.from_numpy(context).to(packed.positions.device)
    values = {field.name: getattr(packed, field.name) for field in fields(Packed)}
    return PackedWithContext(**values, history_positions=packed.positions - shift[packed.sequence_of])


class ContextEmbedding(InputEmbedding):
    """Item plus position embedding; context tokens have no position."""

    def sum(self, sequences: Packed) -> Tensor:
        """Embedding of all tokens before norm and dropout, (tokens, width)."""
        if not isinstance(sequences, PackedWithContext) or sequences.history_positions is None:
            return super().sum(sequences)
        positions = sequences.history_positions
        placed = self.positions(positions.clamp(min=0)) * (positions >= 0).unsqueeze(-1)
        embedded: Tensor = self.items(sequences.items) + placed
        return embedded
