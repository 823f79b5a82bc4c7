"""Item plus position embeddings of packed tokens."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.layers.dropout import Dropout, dropout

__all__ = ["LAYER_NORM_EPSILON", "InputEmbedding", "ItemEmbedding", "PlainEmbedding"]

LAYER_NORM_EPSILON = 1e-12


class ItemEmbedding(nn.Embedding):
    """Item vectors. A training step may drop the same elements of them in histories and in scores."""

    _dropped: Tensor | None = None

    @property
    def vectors(self) -> Tensor:
        """The vectors of all items, (items, width), without what the step under way has dropped."""
        return self.weight if self._dropped is None else self._dropped

    def forward(self, input: Tensor) -> Tensor:
        """Item numbers, any shape → (…, width)."""
        return F.embedding(input, self.vectors, self.padding_idx)

    @contextmanager
    def dropping(self, rate: float) -> Iterator[None]:
        """Draw once which elements are dropped, and use the rest until the context ends.

        Args:
            rate: share of the elements that become zero.
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
        max_length: positions.
        width: of the embeddings.
        dropout: rate.
        padding: whether there is one more item, number ``n_items``, for padding tokens. Its look-ups pass no
            gradient.
        right_aligned: count positions so that the last item has the last position.
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
        """Norm and dropout, (…, width)."""
        return self.dropout(self.norm(embedded))


class PlainEmbedding(nn.Module):
    """Scaled item embedding plus learned position embedding, then dropout, without a norm.

    Args:
        n_items: items of the catalogue.
        max_length: positions.
        width: of the embeddings.
        dropout: rate.
        from_end: whether the last item has the first position, or the first item.
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
        return self.dropout(self.items(sequences.items) * self.scale + positions)
