"""SASRec: causal self-attention over the history (Kang & McAuley, ICDM 2018).

The network, its sizes and its loss are those of RecBole 1.2.1: post-norm blocks, GELU, learned positions, and
full softmax cross-entropy over the catalogue. Two points differ. Every position of a training sequence is a
target in one pass. Under causal attention this is the same loss as RecBole's one row per prefix. There is no
padding item, so none takes part in the softmax.

The loss is an option. With the binary cross-entropy of the paper the network is a weak baseline, so that loss
is not the default.
"""

from typing import ClassVar

from pydantic import Field

from lrbench.models.base import AuthorsTraining
from lrbench.models.layers.blocks import transformer
from lrbench.models.layers.embeddings import InputEmbedding
from lrbench.models.layers.initialisation import initialise
from lrbench.models.layers.sizes import TransformerSizes
from lrbench.models.next_item_loss import LossOptions
from lrbench.models.sequential.encoder_model import EncoderModel
from lrbench.models.supervised import Supervised

__all__ = ["SASRec", "SASRecConfig"]


class SASRecConfig(TransformerSizes, LossOptions):
    """Sizes and dropout."""

    source = "SASRec of RecBole 1.2.1"

    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on what each half of a block adds. It is also the rate on the input if ``input_dropout``
    is not set."""

    input_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout rate on the input. Not set: ``dropout``."""

    attention_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the attention weights."""


class SASRec(EncoderModel[SASRecConfig]):
    """Causal Transformer. The state at the last item scores all items by dot product."""

    Config = SASRecConfig
    summary = "SASRec: causal self-attention, full cross-entropy (Kang & McAuley 2018; RecBole's form)."
    authors_training = AuthorsTraining({"batch_size": 2048, "rows": "prefixes"}, whose="RecBole")
    stages: ClassVar = {"supervised": Supervised}
    default_stages = ("supervised",)
    further_items: ClassVar[int] = 0
    """Tokens after the catalogue that have embeddings and are never recommended."""

    def __init__(self, config: SASRecConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        input_dropout = config.dropout if config.input_dropout is None else config.input_dropout
        self.embedding = InputEmbedding(n_items + self.further_items, max_length, config.width, input_dropout)
        self.encoder = transformer(
            config.layers,
            config.width,
            config.heads,
            config.inner_width,
            config.dropout,
            config.attention_dropout,
        )
        initialise(self)
