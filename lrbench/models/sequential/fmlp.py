"""FMLP-Rec: learnable filters in place of attention (Zhou et al., WWW 2022).

As in the authors' code (RUCAIBox/FMLP-Rec @f3c4285): two post-norm blocks of a frequency filter over the
whole window and a feed-forward part. Differences by default: full softmax cross-entropy instead of one
negative at binary cross-entropy, with which published rows understate the network, and no padding
tokens in the filters (``padding = "tokens"`` has them). Every prefix is a training row, as filters are
not causal, which costs several times what SASRec costs.
"""

from typing import ClassVar

from lrbench.models.base import AuthorsTraining
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.frequency_filters import fmlp_blocks
from lrbench.models.sequential.filter_model import FilteredConfig, FilteredModel
from lrbench.models.supervised import Supervised

__all__ = ["FMLPRec", "FMLPRecConfig"]


class FMLPRecConfig(FilteredConfig):
    """Those of all networks of filters."""


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
