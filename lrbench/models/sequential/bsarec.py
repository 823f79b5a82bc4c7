"""BSARec: attention beside a filter that rescales high frequencies (Shin et al., AAAI 2024).

The blocks are those of the authors' code (yehjin-shin/BSARec). Each adds a frequency branch of weight α to
causal attention of weight 1 − α. The frequency branch keeps the lowest c//2 + 1 frequencies and multiplies
the others by a learned gain per channel. The loss is full softmax cross-entropy.

By default no padding tokens take part in filters and attention. ``padding = "tokens"`` adds them and, as in
the source, lets padding attend to everything. Filters are not causal, so every prefix is a training row. The
protocol decides whether seen items count in the ranks; the authors give them the score 0.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from lrbench.models.base import AuthorsTraining
from lrbench.models.layers.attention import Attention
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.frequency_filters import PaddedAttention, bsarec_blocks, check_cutoff
from lrbench.models.layers.sizes import AttentionSizes
from lrbench.models.sequential.filter_model import FilteredConfig, FilteredModel
from lrbench.models.supervised import Supervised

__all__ = ["BSARec", "BSARecConfig"]


class BSARecConfig(FilteredConfig, AttentionSizes):
    """Attention and filters."""

    source = "BSARec's run on Beauty (yehjin-shin/BSARec)"

    heads: int = Field(default=1, ge=1)
    """Attention heads. They must divide the width (authors on Beauty: 1)."""

    attention_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the attention weights (authors: 0.5)."""

    cutoff: int = Field(default=5, ge=1)
    """c: the lowest c//2 + 1 frequencies pass unchanged (authors on Beauty: 5)."""

    alpha: float = Field(default=0.7, ge=0, le=1)
    """α, weight of the frequency branch (authors on Beauty: 0.7)."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse heads that do not divide the width, and a cutoff that leaves no high frequency.

        Raises:
            ValueError: either is the case.
        """
        super().check_against_protocol(max_length, stages)
        check_cutoff("cutoff", self.cutoff, max_length)


class BSARec(FilteredModel[BSARecConfig]):
    """Blocks of attention and rescaled frequencies."""

    Config = BSARecConfig
    summary = "BSARec: attention beside rescaled frequencies (Shin et al. 2024)."
    authors_training = AuthorsTraining(
        {"batch_size": 256, "max_epochs": 200},
        note="Their learning rate is the default of the stage.",
    )
    stages: ClassVar = {"supervised": Supervised}
    default_stages = ("supervised",)
    stage_defaults: ClassVar = {"supervised": {"learning_rate": 5e-4}}

    def blocks(self) -> Encoder:
        """BSARec blocks over the whole window."""
        config = self.config

        def attention() -> Attention:
            if config.padding == "tokens":
                return PaddedAttention(config.width, config.heads, config.attention_dropout, self.n_items)
            return Attention(config.width, config.heads, config.attention_dropout)

        return bsarec_blocks(
            config.layers,
            config.width,
            4 * config.width,
            self.max_length,
            config.dropout,
            attention,
            config.cutoff,
            config.alpha,
        )
