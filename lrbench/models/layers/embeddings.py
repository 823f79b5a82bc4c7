"""Item plus position embeddings of packed tokens."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.layers.dropout import Dropout, dropout

__all__ = ["LAYER_NORM_EPSILON", "InputEmbedding", "ItemEmbedding", "PlainEmbedding"]

LAYER_NORM_EPSILON = 1e-12


class ItemEmbedding(nn.Embedding):
    """Item vectors. A training step may drop elements of them, the same ones in histories and in scores."""

    _dropped: Tensor | None = None

    @property
    def vectors(self) -> Tensor:
        """The vectors of all items, (items, width). Within :meth:`dropping`, dropped elements are 0."""
        return self.weight if self._dropped is None else self._dropped

    def forward(self, input: Tensor) -> Tensor:
        """Item numbers, any shape → (…, width)."""
        return F.embedding(input, self.vectors, self.padding_idx)

    @contextmanager
    def dropping(self, rate: float) -> Iterator[None]:
        """Draw once which elements are dropped. They stay 0, and the others scaled, until the context ends.

        Args:
            rate: probability that an element is dropped.
        """
        self._dropped = dropout(self.weight, rate)
        try:
            yield
        finally:
            self._dropped = None


class InputEmbedding(nn.Module):
    """LayerNorm of item plus learned position embedding, then dropout.

    Args:
        n_items: items of the catalogue.
        max_length: number of positions.
        width: of the embeddings.
        dropout: rate on the normalised sum.
        padding: whether there is one more item, number ``n_items``, for padding tokens. Looking it up passes
            no gradient.
        right_aligned: whether positions are counted so that the last item has position ``max_length`` − 1.
            Otherwise the first item has position 0.
    """

    def __init__(
        self,
        n_items: int,
        max_length: int,
        width: int,
        dropout: float,
        padding: bool = False,
        right_aligned: bool = False,
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.right_aligned = right_aligned
        self.items = ItemEmbedding(n_items + padding, width, padding_idx=n_items if padding else None)
        self.positions = nn.Embedding(max_length, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.dropout = Dropout(dropout)

    def forward(self, sequences: Packed) -> Tensor:
        """Embed all tokens, (tokens, width)."""
        return self.finish(self.sum(sequences))

    def sum(self, sequences: Packed) -> Tensor:
        """Item plus position embedding of all tokens, (tokens, width)."""
        last = self.max_length - 1
        positions = last - sequences.ages if self.right_aligned else sequences.positions
        return self.items(sequences.items) + self.positions(positions)

    def finish(self, embedded: Tensor) -> Tensor:
        """Normalise sums of embeddings, then drop out, (…, width) → (…, width)."""
        return self.dropout(self.norm(embedded))


class PlainEmbedding(nn.Module):
    """Scaled item embedding plus learned position embedding, then dropout, without a norm.

    Args:
        n_items: items of the catalogue.
        max_length: number of positions.
        width: of the embeddings.
        dropout: rate on the sum.
        from_end: whether positions are counted from the last item, which has position 0. Otherwise the
            first item has position 0.
        scale: factor on the item embeddings.
    """

    def __init__(
        self, n_items: int, max_length: int, width: int, dropout: float, from_end: bool, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.from_end = from_end
        self.scale = scale
        self.items = ItemEmbedding(n_items, width)
        self.positions = nn.Embedding(max_length, width)
        self.dropout = Dropout(dropout)

    def forward(self, sequences: Packed) -> Tensor:
        """Embed all tokens, (tokens, width)."""
        positions = self.positions(sequences.ages if self.from_end else sequences.positions)
        return self.dropout(torch.add(positions, self.items(sequences.items), alpha=self.scale))
