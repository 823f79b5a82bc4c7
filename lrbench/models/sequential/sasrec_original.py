"""SASRec with its authors' own block (Kang & McAuley, ICDM 2018), as in most published figures.

A block computes ``q = LayerNorm(x)`` and returns ``q + Attention(q, x, x)``: only queries are normalised, and
the residual is q. RecBole's form (``sasrec``) normalises each residual sum instead. The feed-forward part is
as wide as the states and has a ReLU. The input is not normalised. The states are normalised once, after the
last block. This is the block of the authors' code, its port to PyTorch, "Turning Dross Into Gold Loss",
gSASRec and RecTools. With the binary cross-entropy of the paper the network is a weak baseline, so that loss
is not the default.

The port and RecTools also keep padding in the softmax of attention. An empty position is then a key and a
value made of biases alone. A short history spends most of its attention on empty positions. ``padding =
"attended"`` reproduces this. It takes more time and makes scores depend on the maximum length. One detail
differs: dropout never hits attention to empty positions here. By default there is no padding.

Weights, embeddings included, are drawn by Xavier's normal rule, as in the port and RecTools.
"""

import math
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.base import AuthorsTraining
from lrbench.models.layers.attention import Attention
from lrbench.models.layers.blocks import Block, Encoder
from lrbench.models.layers.dropout import Dropout
from lrbench.models.layers.embeddings import PlainEmbedding
from lrbench.models.layers.initialisation import xavier
from lrbench.models.layers.layer import Layer
from lrbench.models.layers.sizes import AttentionSizes
from lrbench.models.next_item_loss import LossOptions
from lrbench.models.sequential.encoder_model import EncoderModel
from lrbench.models.supervised import Supervised

__all__ = ["OriginalSASRec", "OriginalSASRecConfig"]

_EPSILON = 1e-8  # of LayerNorm, as in the authors' code


class OriginalSASRecConfig(AttentionSizes, LossOptions):
    """Sizes and dropout."""

    source = "the code of SASRec's authors (kang205/SASRec)"

    layers: int = Field(default=2, ge=1)
    """Blocks (authors: 2; eSASRec's study of Amazon: 1)."""

    heads: int = Field(default=1, ge=1)
    """Attention heads. They must divide the width (authors: 1)."""

    width: int = Field(default=50, ge=1)
    """Length of item embeddings and states (authors: 50; later studies: 64)."""

    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on attention weights and after each layer of the feed-forward part (authors: 0.5; 0.2 on
    MovieLens). It is also the rate on the input if ``input_dropout`` is not set."""

    input_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout rate on the input. Not set: ``dropout``."""

    scaled: bool = True
    """Whether item embeddings are multiplied by √width on the input (authors: yes; RecTools: no)."""

    positions: Literal["end", "start"] = "end"
    """Where positions are counted from: the end or the start of a history (authors and RecTools: the end)."""

    padding: Literal["absent", "attended"] = "absent"
    """``attended``: the empty positions before a short history take part in the softmax of attention (port,
    RecTools). ``absent``: there are none (authors)."""


class QueryAttention(Layer):
    """``q + attention(q, x, x)`` with ``q = LayerNorm(x)``.

    Args:
        width: of the states.
        heads: attention heads; they must divide the width.
        dropout: rate on the attention weights.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.attention = Attention(width, heads, dropout)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        query: Tensor = self.norm(hidden)
        found: Tensor = self.attention.output(self.attend(self._project(query, hidden), sequences))
        return query + found

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        query: Tensor = self.norm(hidden)
        found: Tensor = self.attention.output(self.attend_at_last(self._project(query, hidden), sequences))
        return query.index_select(0, sequences.last) + found

    def attend(self, projected: Tensor, sequences: Packed) -> Tensor:
        """Weighted values of every token, (tokens, width), from (tokens, 3 · width)."""
        return self.attention.attend(projected, sequences)

    def attend_at_last(self, projected: Tensor, sequences: Packed) -> Tensor:
        """Weighted values of each sequence's last token, (sequences, width)."""
        return self.attention.attend_at_last(projected, sequences)

    def _project(self, query: Tensor, hidden: Tensor) -> Tensor:
        """Queries, keys and values side by side, (tokens, 3 · width)."""
        memory = self.attention.key, self.attention.value
        weight, bias = torch.cat([each.weight for each in memory]), torch.cat([each.bias for each in memory])
        return torch.cat((self.attention.query(query), F.linear(hidden, weight, bias)), -1)


class PaddedQueryAttention(QueryAttention):
    """:class:`QueryAttention` with the empty positions before a history in the softmax.

    Args:
        width: of the states.
        heads: attention heads; they must divide the width.
        dropout: rate on the attention weights of items.
        max_length: positions of a padded history.
    """

    def __init__(self, width: int, heads: int, dropout: float, max_length: int) -> None:
        super().__init__(width, heads, dropout)
        self.max_length = max_length

    def attend(self, projected: Tensor, sequences: Packed) -> Tensor:
        """Weighted values of every token, (tokens, width), from (tokens, 3 · width)."""
        return sequences.by_group_masked(self._mix, projected)

    def attend_at_last(self, projected: Tensor, sequences: Packed) -> Tensor:
        """Weighted values of each sequence's last token, (sequences, width)."""
        return self.attend(projected, sequences).index_select(0, sequences.last)

    def _mix(self, real: Tensor, projected: Tensor) -> Tensor:
        """Attend within one group. Empty positions are alike, so they are one key, weighted by their number.

        Args:
            real: which positions hold an item, (sequences, length).
            projected: queries, keys and values side by side, (sequences, length, 3 · width).

        Returns:
            Weighted values, (sequences, length, width).
        """
        log_empty = (self.max_length - real.sum(1)).to(projected.dtype).log()  # (sequences,), −∞ for none
        later = torch.ones(real.shape[1], real.shape[1], dtype=torch.bool, device=real.device).triu(1)
        parts = *projected.chunk(3, -1), self.attention.key.bias, self.attention.value.bias
        by_head = (part.chunk(self.attention.heads, -1) for part in parts)
        mixed = []
        for query, key, value, key_bias, value_bias in zip(*by_head, strict=True):
            scaled = query / math.sqrt(query.shape[-1])  # (sequences, length, width / heads)
            scores = (scaled @ key.mT).masked_fill(later, -torch.inf)
            empty_score = scaled @ key_bias + log_empty[:, None]  # (sequences, length)
            weights = torch.cat((scores, empty_score[..., None]), -1).softmax(-1)  # (…, length, length + 1)
            dropped = self.attention.dropout(weights[..., :-1])
            mixed.append(dropped @ value + weights[..., -1:] * value_bias)
        return torch.cat(mixed, -1)


class NormedFeedForward(Layer):
    """``y + dropout(W₂ dropout(ReLU(W₁ y)))`` with ``y = LayerNorm(x)``, on each token alone."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.expand = nn.Linear(width, width)
        self.contract = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        normed: Tensor = self.norm(hidden)
        fed: Tensor = self.dropout(self.contract(self.dropout(F.relu(self.expand(normed)))))
        return normed + fed


class OriginalSASRec(EncoderModel[OriginalSASRecConfig]):
    """Causal attention with normalised queries. The normalised last state scores by dot product."""

    Config = OriginalSASRecConfig
    summary = "SASRec with its authors' own block, full cross-entropy (Kang & McAuley 2018)."
    authors_training = AuthorsTraining(
        {"max_epochs": 201, "validate_every": 20, "beta2": 0.98},
        note="A batch has 128 users.",
    )
    stages: ClassVar = {"supervised": Supervised}
    default_stages = ("supervised",)

    def __init__(self, config: OriginalSASRecConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width, dropout = config.width, config.dropout
        self.embedding = PlainEmbedding(
            n_items,
            max_length,
            width,
            dropout if config.input_dropout is None else config.input_dropout,
            from_end=config.positions == "end",
            scale=math.sqrt(width) if config.scaled else 1.0,
        )

        def block() -> Block:
            attention = QueryAttention(width, config.heads, dropout)
            if config.padding == "attended":
                attention = PaddedQueryAttention(width, config.heads, dropout, max_length)
            return Block(attention, NormedFeedForward(width, dropout))

        self.encoder = Encoder(block, config.layers)
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        xavier(self)

    def finish(self, states: Tensor) -> Tensor:
        """Normalise the states after the last block, (…, width)."""
        return self.norm(states)
