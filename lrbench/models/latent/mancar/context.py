"""Context tokens: the neighbours of the latest items come before the history and have no positions."""

from dataclasses import dataclass, fields

import numpy as np
from torch import Tensor

from lrbench.arrays import Int64s, ranges
from lrbench.data.packing import Packed, pack
from lrbench.data.transfer import on_device
from lrbench.models.layers.embeddings import InputEmbedding

__all__ = ["ContextEmbedding", "PackedWithContext", "with_context"]


@dataclass(frozen=True)
class PackedWithContext(Packed):
    """Histories after their context tokens."""

    history_positions: Tensor | None = None  # (tokens,) position in the history; negative at context tokens


def with_context(sequences: Packed, neighbours: Int64s, latest: int) -> PackedWithContext:
    """Put the neighbours of each history's latest items before it. The last item's neighbours come first.

    Args:
        sequences: the histories.
        neighbours: of each item, (items, number), −1 where there is none.
        latest: how many of the latest items bring their neighbours.
    """
    items, first, lengths = sequences.host.items, sequences.host.first, sequences.host.lengths
    last = first + lengths - 1
    places = last[:, None] - np.arange(latest)  # (sequences, latest)
    exist = places >= first[:, None]
    candidates = neighbours[items[np.where(exist, places, first[:, None])]]  # (sequences, latest, number)
    real = (exist[:, :, None] & (candidates >= 0)).reshape(len(first), -1)
    context = real.sum(1)  # (sequences,) tokens
    # Context and history of each sequence, end to end.
    stops = np.cumsum(context + lengths)
    starts = stops - context - lengths
    flat = np.empty(stops[-1], dtype=np.int64)
    within = np.arange(len(flat)) - np.repeat(starts, context + lengths)
    of_context = within < np.repeat(context, context + lengths)
    flat[of_context] = candidates.reshape(len(first), -1)[real]
    source = ranges(first, lengths)
    flat[~of_context] = items[source]
    packed = pack(flat, starts, stops, sequences.items.device)
    shift = on_device(context, packed.positions.device)
    values = {field.name: getattr(packed, field.name) for field in fields(Packed)}
    return PackedWithContext(**values, history_positions=packed.positions - shift[packed.sequence_of])


class ContextEmbedding(InputEmbedding):
    """Sum of item and position embedding. Context tokens have no position embedding."""

    def sum(self, sequences: Packed) -> Tensor:
        """Return the embedding of all tokens before norm and dropout, (tokens, width)."""
        if not isinstance(sequences, PackedWithContext) or sequences.history_positions is None:
            return super().sum(sequences)
        positions = sequences.history_positions
        placed = self.positions(positions.clamp(min=0)) * (positions >= 0).unsqueeze(-1)
        embedded: Tensor = self.items(sequences.items) + placed
        return embedded
