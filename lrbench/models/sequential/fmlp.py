"""FMLP-Rec: learnable filters in place of attention (Zhou et al., WWW 2022).

The network is that of the authors' code (RUCAIBox/FMLP-Rec @f3c4285). By default it has two post-norm blocks.
Each is a frequency filter over the whole window and a feed-forward part.

Two defaults differ. The loss is full softmax cross-entropy. Published results use binary cross-entropy with
one negative, which understates the network. The filters see no padding tokens; ``padding = "tokens"`` adds
them.

Filters are not causal, so every prefix is a training row. Training therefore costs several times as much as
that of SASRec.
"""

from typing import ClassVar

from lrbench.models.base import AuthorsTraining
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.frequency_filters import fmlp_blocks
from lrbench.models.sequential.filter_model import FilteredConfig, FilteredModel
from lrbench.models.supervised import Supervised

__all__ = ["FMLPRec", "FMLPRecConfig"]


class FMLPRecConfig(FilteredConfig):
    """The options that FMLP-Rec shares with BSARec. It has no others."""


class FMLPRec(FilteredModel[FMLPRecConfig]):
    """Blocks of learnable filters."""

    Config = FMLPRecConfig
    summary = "FMLP-Rec: learnable frequency filters (Zhou et al. 2022)."
    authors_training = AuthorsTraining({"batch_size": 256, "max_epochs": 200})
    stages: ClassVar = {"supervised": Supervised}
    default_stages = ("supervised",)

    def blocks(self) -> Encoder:
        """FMLP blocks over the whole window."""
        return fmlp_blocks(self.config.layers, self.config.width, self.max_length, self.config.dropout)
