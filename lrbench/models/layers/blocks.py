"""Parts that sequence encoders share: residual blocks and stacks of them.

States are packed tokens, (tokens, width), without padding. A block is a mixer, which moves information
between tokens, and a feed-forward part. Both include their residual, so that other mixers (filters, sums of
mixers) can replace attention.

:func:`transformer` gives the post-norm blocks of SASRec in RecBole (RUCAIBox/RecBole 1.2.1, ``layers.py``).
They have exact GELU, and LayerNorm with epsilon 1e-12 after each residual sum. ``initialise`` draws their
weights as RecBole does.
"""

from collections.abc import Callable

from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.layers.attention import Attention
from lrbench.models.layers.dropout import Dropout
from lrbench.models.layers.embeddings import LAYER_NORM_EPSILON
from lrbench.models.layers.feed_forward import FeedForward
from lrbench.models.layers.layer import Layer

__all__ = ["Block", "Encoder", "Residual", "transformer"]


def transformer(
    n_layers: int,
    width: int,
    heads: int,
    inner: int,
    dropout: float,
    attention_dropout: float,
    causal: bool = True,
) -> "Encoder":
    """Stack post-norm Transformer blocks.

    Args:
        n_layers: blocks.
        width: of the states.
        heads: attention heads; they must divide the width.
        inner: width between the two layers of the feed-forward part.
        dropout: rate on what each half of a block adds.
        attention_dropout: rate on the attention weights.
        causal: whether a token sees only itself and those before it.
    """

    def block() -> Block:
        attention = Residual(Attention(width, heads, attention_dropout, causal), width, dropout)
        return Block(attention, Residual(FeedForward(width, inner), width, dropout))

    return Encoder(block, n_layers)


class Residual(Layer):
    """``LayerNorm(dropout(inner(x)) + x)``: post-norm.

    Args:
        inner: the layer whose output is added to its input.
        width: of the states.
        dropout: rate on the output of ``inner``.
    """

    def __init__(self, inner: Layer, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = inner
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        return self.add_residual(self.inner(hidden, sequences), hidden)

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        return self.add_residual(self.inner.last(hidden, sequences), hidden.index_select(0, sequences.last))

    def add_residual(self, inner: Tensor, hidden: Tensor) -> Tensor:
        """Add ``hidden`` to the inner part's output for it, and normalise, (…, width)."""
        return self.norm(self.dropout(inner) + hidden)


class Block(Layer):
    """A mixer, then a feed-forward part.

    Args:
        mixer: moves information between tokens; includes its residual.
        feed_forward: works on each token alone; includes its residual.
    """

    def __init__(self, mixer: Layer, feed_forward: Layer) -> None:
        super().__init__()
        self.mixer = mixer
        self.feed_forward = feed_forward

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        return self.feed_forward(self.mixer(hidden, sequences), sequences)

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        return self.feed_forward(self.mixer.last(hidden, sequences), sequences)


class Encoder(Layer):
    """Blocks of one kind, one after another.

    Args:
        block: makes a new block.
        n_blocks: how many. With none, the states are the input.
    """

    def __init__(self, block: Callable[[], Layer], n_blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block() for _ in range(n_blocks))

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        for block in self.blocks:
            hidden = block(hidden, sequences)
        return hidden

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width); the last block computes the last tokens alone."""
        if not self.blocks:
            return super().last(hidden, sequences)
        *others, last = self.blocks
        for block in others:
            hidden = block(hidden, sequences)
        assert isinstance(last, Layer)
        return last.last(hidden, sequences)
