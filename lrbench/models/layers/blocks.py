"""Parts that sequence encoders share: input embeddings, residual blocks and stacks of them.

Everything works on packed tokens, (tokens, width): there is no padding, so nothing needs a mask.
The blocks are the post-norm Transformer of SASRec as RecBole has it (RUCAIBox/RecBole 1.2.1,
``layers.py``): exact GELU, LayerNorm with epsilon 1e-12 after each residual sum, weights drawn from
N(0, 0.02). A block is a mixer, which moves information between tokens, and a feed-forward part;
both come with their residual, so that other mixers (filters, sums of mixers) can take the place of
attention.
"""

import math
from collections.abc import Callable

from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.layers.attention import Attention
from lrbench.models.layers.dropout import Dropout
from lrbench.models.layers.feed_forward import FeedForward
from lrbench.models.layers.layer import Layer

__all__ = [
    "Block",
    "Encoder",
    "InputEmbedding",
    "PlainEmbedding",
    "Residual",
    "check_heads",
    "initialise",
    "set_dropout",
    "transformer",
    "xavier",
]

LAYER_NORM_EPSILON = 1e-12


def initialise(module: nn.Module) -> None:
    """Draw the weights of linear and embedding layers from N(0, 0.02); biases 0, LayerNorm (1, 0)."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


def xavier(module: nn.Module) -> None:
    """Draw all matrices by Xavier's normal rule, queries, keys and values as one; biases of attention 0.

    That is how RecTools has it, with torch's attention.
    """
    for weight in module.parameters():
        if weight.dim() > 1:
            nn.init.xavier_normal_(weight)
    for part in module.modules():
        if isinstance(part, Attention):
            for linear in (part.query, part.key, part.value):
                nn.init.xavier_normal_(linear.weight, gain=math.sqrt(1 / 2))
            for linear in (part.query, part.key, part.value, part.output):
                nn.init.zeros_(linear.bias)


def check_heads(width: int, heads: int) -> None:
    """Refuse heads that do not divide the width."""
    if width % heads:
        raise ValueError(f"width = {width} cannot be shared out over heads = {heads}")


def set_dropout(module: nn.Module, rate: float) -> None:
    """Set the rate of every dropout in ``module``."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = rate


def transformer(
    n_layers: int,
    width: int,
    heads: int,
    inner: int,
    dropout: float,
    attention_dropout: float,
    causal: bool = True,
) -> "Encoder":
    """Stack post-norm Transformer blocks."""

    def block() -> Block:
        attention = Residual(Attention(width, heads, attention_dropout, causal), width, dropout)
        return Block(attention, Residual(FeedForward(width, inner), width, dropout))

    return Encoder(block, n_layers)


class InputEmbedding(nn.Module):
    """LayerNorm of item plus learned position embedding, then dropout.

    Args:
        n_items: items of the catalogue.
        max_length: positions.
        width: of the embeddings.
        dropout: rate.
        padding: whether there is a further item, number ``n_items``, for padding tokens, whose
            look-ups pass no gradient.
        right_aligned: count positions so that the last item has the last one.
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
        self.items = nn.Embedding(n_items + padding, width, padding_idx=n_items if padding else None)
        self.positions = nn.Embedding(max_length, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.dropout = Dropout(dropout)

    def forward(self, sequences: Packed) -> Tensor:
        """Embed all tokens, (tokens, width)."""
        return self.close(self.sum(sequences))

    def sum(self, sequences: Packed) -> Tensor:
        """Item plus position embedding of all tokens, (tokens, width)."""
        positions = sequences.positions
        if self.right_aligned:
            length = positions[sequences.last] + 1  # a padded sequence is counted from its first token
            positions = positions + (self.max_length - length)[sequences.sequence_of]
        embedded: Tensor = self.items(sequences.items) + self.positions(positions)
        return embedded

    def close(self, embedded: Tensor) -> Tensor:
        """Norm and dropout, (…, width)."""
        dropped: Tensor = self.dropout(self.norm(embedded))
        return dropped


class PlainEmbedding(nn.Module):
    """Item, times a scale, plus learned position embedding, then dropout; no norm.

    Args:
        n_items: items of the catalogue.
        max_length: positions.
        width: of the embeddings.
        dropout: rate.
        from_end: whether the last item has the first position, or the first item.
        scale: of the item embeddings.
    """

    def __init__(
        self, n_items: int, max_length: int, width: int, dropout: float, from_end: bool, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.from_end = from_end
        self.scale = scale
        self.items = nn.Embedding(n_items, width)
        self.positions = nn.Embedding(max_length, width)
        self.dropout = Dropout(dropout)

    def forward(self, sequences: Packed) -> Tensor:
        """Embed all tokens, (tokens, width)."""
        positions = self.positions(sequences.ages if self.from_end else sequences.positions)
        embedded: Tensor = self.dropout(self.items(sequences.items) * self.scale + positions)
        return embedded


class Residual(Layer):
    """``LayerNorm(dropout(inner(x)) + x)``: post-norm."""

    def __init__(self, inner: Layer, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = inner
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        return self.close(self.inner(hidden, sequences), hidden)

    def at_last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        return self.close(self.inner.at_last(hidden, sequences), hidden.index_select(0, sequences.last))

    def close(self, inner: Tensor, hidden: Tensor) -> Tensor:
        """Add what the inner part made of ``hidden`` to it, (…, width)."""
        normed: Tensor = self.norm(self.dropout(inner) + hidden)
        return normed


class Block(Layer):
    """A mixer, then a feed-forward part, each with its residual."""

    def __init__(self, mixer: Layer, feed_forward: Layer) -> None:
        super().__init__()
        self.mixer = mixer
        self.feed_forward = feed_forward

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        fed: Tensor = self.feed_forward(self.mixer(hidden, sequences), sequences)
        return fed

    def at_last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        fed: Tensor = self.feed_forward(self.mixer.at_last(hidden, sequences), sequences)
        return fed


class Encoder(Layer):
    """Blocks of one kind, one after another."""

    def __init__(self, block: Callable[[], Layer], n_blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block() for _ in range(n_blocks))

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        for block in self.blocks:
            hidden = block(hidden, sequences)
        return hidden

    def at_last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width); the last block does no more than that."""
        if not self.blocks:
            return super().at_last(hidden, sequences)
        *others, last = self.blocks
        for block in others:
            hidden = block(hidden, sequences)
        assert isinstance(last, Layer)
        return last.at_last(hidden, sequences)
