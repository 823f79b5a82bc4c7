"""eSASRec: SASRec with gated pre-norm blocks and sampled softmax (Tikhonovich et al., RecSys 2025).

The blocks are those of RecTools 0.17 (``LiGRLayers``, after Borisyuk et al. 2025): ``x + σ(W x + b) ·
dropout(f(LayerNorm(x)))``. First f is attention, then a SwiGLU feed-forward part. Neither the input nor the
output of the last block is normalised. Each position predicts the next item by softmax against 256 uniformly
drawn items. Unlike in the source, a target is never its own negative. Defaults are those of the authors' runs
on Beauty; on MovieLens they use two blocks and dropout 0.1.

The authors' runs used RecTools 0.13. It zeroes elements of the item matrix once per training step, for
histories and scores alike. Here that is ``item_dropout``; later releases of RecTools do not have it.

Positions count from the end of a history. In training they count from the end of the whole training sequence,
so the first positions mark a user's latest items. With ``positions = "start"`` a history has the same state
in training and in ranking.

Best validation NDCG@10 on Beauty with one choice changed. Each line compares runs of its own:

  choice                         authors'  changed  changed to
  item_dropout, width 256        0.056     0.049    none: the network overfits
  positions, after 17 epochs     0.057     0.054    "start"
"""

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
from lrbench.models.next_item_loss import LossName, LossOptions
from lrbench.models.sequential.encoder_model import EncoderModel
from lrbench.models.supervised import Supervised

__all__ = ["ESASRec", "ESASRecConfig"]


class ESASRecConfig(AttentionSizes, LossOptions):
    """Sizes, dropout and loss."""

    source = "eSASRec's runs on Amazon data (blondered/transformer_benchmark, with RecTools 0.13)"

    layers: int = Field(default=1, ge=1)
    """Blocks (authors: 1; 2 on MovieLens)."""

    heads: int = Field(default=1, ge=1)
    """Attention heads. They must divide the width (authors: 1)."""

    width: int = Field(default=64, ge=1)
    """Length of item embeddings and states (authors' table: 64; their configuration for Beauty: 256). In
    lrbench 256 learns less on Beauty: the best validation NDCG@10 is 0.059, against 0.066 with 64."""

    positions: Literal["end", "start"] = "end"
    """Where positions are counted from: the end or the start of a history (RecTools: the end)."""

    expansion: int = Field(default=4, ge=1)
    """Width of the hidden layer of the feed-forward part, as a multiple of the width (authors: 4)."""

    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout rate on attention weights, on the hidden layer of the feed-forward part, and on what each half
    of a block adds (authors: 0.2; 0.1 on MovieLens)."""

    input_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout rate on the sum of item vector and position (authors: 0.2)."""

    item_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout rate on the vectors of all items. Each training step draws it once, for histories and scores
    alike (authors: 0.2)."""

    loss: LossName = "sampled_softmax"
    """Loss of the next item (authors: sampled softmax with 256 negatives)."""


class Gated(Layer):
    """``x + σ(W x + b) · dropout(inner(LayerNorm(x)))``."""

    def __init__(self, inner: Layer, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = inner
        self.gate = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        return self._add_residual(self.inner(self.norm(hidden), sequences), hidden)

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        inner = self.inner.last(self.norm(hidden), sequences)
        return self._add_residual(inner, hidden.index_select(0, sequences.last))

    def _add_residual(self, inner: Tensor, hidden: Tensor) -> Tensor:
        return hidden + torch.sigmoid(self.gate(hidden)) * self.dropout(inner)


class SwiGLU(Layer):
    """``dropout(SiLU(x A) · x B) C``, without biases (Shazeer 2020). A is ``switch``, B is ``expand``."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.switch = nn.Linear(width, inner, bias=False)
        self.expand = nn.Linear(width, inner, bias=False)
        self.contract = nn.Linear(inner, width, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        return self.contract(self.dropout(F.silu(self.switch(hidden)) * self.expand(hidden)))


class ESASRec(EncoderModel[ESASRecConfig]):
    """Gated causal Transformer. The state at the last item scores all items by dot product."""

    Config = ESASRecConfig
    summary = "eSASRec: SASRec with gated blocks and sampled softmax (Tikhonovich et al. 2025)."
    authors_training = AuthorsTraining(
        {"max_epochs": 200, "patience": 50, "beta2": 0.98},
        note="A batch has 128 sequences.",
    )
    stages: ClassVar = {"supervised": Supervised}
    default_stages = ("supervised",)

    def __init__(self, config: ESASRecConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width, dropout = config.width, config.dropout
        from_end = config.positions == "end"
        self.embedding = PlainEmbedding(n_items, max_length, width, config.input_dropout, from_end)

        def block() -> Block:
            attention = Gated(Attention(width, config.heads, dropout), width, dropout)
            return Block(attention, Gated(SwiGLU(width, config.expansion * width, dropout), width, dropout))

        self.encoder = Encoder(block, config.layers)
        xavier(self)
