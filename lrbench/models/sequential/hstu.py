"""HSTU: hierarchical sequential transduction units (Zhai et al., ICML 2024), as in its research code.

A block splits ``SiLU(LayerNorm(x)·W)`` into u, v, q and k. It attends with weights ``SiLU(q·kᵀ + bias) / N``
instead of a softmax, where N is a fixed length. The bias is a learned scalar per distance in positions and,
optionally, per bucket of elapsed time. The block returns ``W_o(u ⊙ LayerNorm(attended)) + x``. States and
items are L2-normalised, and their products are divided by a temperature (meta-recsys/generative-recommenders
@db1bf8f, ``research``).

Defaults are those of the authors' ML-1M configuration, with two differences. Windows predict every position
from the latest ``max_length`` interactions. The time bias is off, since not all data has times.

With the time bias, a position uses the time of the interaction to be predicted, as in the source. At
inference this is the time of the request. Without the time bias, the bias by position stays here. The source
then adds no bias at all, which equals a bias by position of 0. There is no padding item.
"""

import math
from typing import ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.base import AuthorsTraining
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.dropout import Dropout
from lrbench.models.layers.embeddings import ItemEmbedding
from lrbench.models.layers.hstu_block import EPSILON, HSTUBlock
from lrbench.models.layers.sizes import AttentionSizes
from lrbench.models.next_item import NextItemModel, at_temperature
from lrbench.models.next_item_loss import LossName, LossOptions
from lrbench.models.supervised import Supervised

__all__ = ["HSTU", "HSTUConfig"]


class HSTUConfig(AttentionSizes, LossOptions):
    """Sizes, dropout, time and loss."""

    source = "HSTU's configuration for ML-1M (meta-recsys/generative-recommenders @db1bf8f)"

    layers: int = Field(default=2, ge=1)
    """Blocks (authors: 2; 8 in HSTU-large)."""

    heads: int = Field(default=1, ge=1)
    """Attention heads. They must divide the width (authors: 1; 2 in HSTU-large)."""

    width: int = Field(default=50, ge=1)
    """Length of item embeddings and states (authors: 50)."""

    query_width: int | None = Field(default=None, ge=1)
    """Length of queries and keys of a head (authors: attention_dim, 50). Not set: width / heads."""

    value_width: int | None = Field(default=None, ge=1)
    """Length of values and gates of a head (authors: linear_dim, 50). Not set: width / heads."""

    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout rate on the input and before the output projection of a block (authors: 0.2)."""

    output_length: int = Field(default=11, ge=0)
    """Positions that the source reserves for outputs. N is the maximum length plus these (authors: 11)."""

    time_bias: bool = False
    """Whether attention has a bias by elapsed time (authors: true; false is lrbench's choice, since not all
    data has times)."""

    loss: LossName = "sampled_softmax"
    """Loss of the next item (authors: sampled softmax)."""

    negatives: int | None = Field(default=128, ge=1)
    """Sampled items per target (authors: 128)."""

    temperature: float = Field(default=0.05, gt=0)
    """Divides the cosines, in training and in ranking (authors: 0.05)."""

    @property
    def needs_times(self) -> bool:
        """The bias by elapsed time needs them."""
        return self.time_bias


class HSTU(NextItemModel[HSTUConfig]):
    """Blocks without softmax. Cosines divided by a temperature score all items."""

    Config = HSTUConfig
    summary = "HSTU: gated attention without softmax, cosine scores, sampled softmax (Zhai et al. 2024)."
    authors_training = AuthorsTraining(
        {"max_epochs": 101, "optimiser": "adamw", "beta2": 0.98},
        note="A batch has 128 sequences, and training does not stop early.",
    )
    stages: ClassVar = {"supervised": Supervised}
    default_stages = ("supervised",)

    def __init__(self, config: HSTUConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width, reach = config.width, max_length + config.output_length
        self.items = ItemEmbedding(n_items, width)
        self.positions = nn.Embedding(reach, width)
        self.dropout = Dropout(config.dropout)

        def block() -> HSTUBlock:
            sizes = config.query_width, config.value_width
            return HSTUBlock(width, config.heads, reach, config.dropout, config.time_bias, *sizes)

        self.encoder = Encoder(block, config.layers)
        nn.init.trunc_normal_(self.items.weight, std=0.02)
        nn.init.trunc_normal_(self.positions.weight, std=1 / math.sqrt(width))

    @classmethod
    def network_replayable(cls, config: HSTUConfig) -> bool:
        """Yes: the blocks read tokens and times alone."""
        return True

    def embed(self, sequences: Packed) -> Tensor:
        """Scaled item plus position embeddings, (tokens, width)."""
        scaled = self.items(sequences.items) * math.sqrt(self.config.width)
        return self.dropout(scaled + self.positions(sequences.positions))

    def token_states(self, sequences: Packed) -> Tensor:
        """Normalised state after each token, (tokens, width)."""
        return F.normalize(self.encoder(self.embed(sequences), sequences), dim=-1, eps=EPSILON)

    def item_table(self) -> ItemEmbedding:
        """The item embedding."""
        return self.items

    def item_vectors(self) -> Tensor:
        """Normalised item embeddings divided by the temperature, (items, width)."""
        return at_temperature(F.normalize(self.items.vectors, dim=-1, eps=EPSILON), self.config.temperature)
