"""What models with one input embedding and one encoder share, such as SASRec, FMLP-Rec and BSARec."""

from typing import Any

from torch import Tensor
from typing_extensions import TypeVar

from lrbench.data.packing import Packed
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.embeddings import InputEmbedding, ItemEmbedding, PlainEmbedding
from lrbench.models.next_item import NextItemModel, at_temperature
from lrbench.models.next_item_loss import LossOptions

__all__ = ["EncoderModel"]


LossOptionsT = TypeVar("LossOptionsT", bound=LossOptions, default=Any)


class EncoderModel(NextItemModel[LossOptionsT]):
    """An embedding of items and positions, then an encoder. Item embeddings score the states.

    A subclass sets ``embedding`` and ``encoder`` in its constructor.
    """

    embedding: InputEmbedding | PlainEmbedding
    encoder: Encoder

    def finish(self, states: Tensor) -> Tensor:
        """Transform states after the last block, (…, width) → (…, width). By default they stay the same."""
        return states

    @classmethod
    def network_replayable(cls, config: LossOptionsT) -> bool:
        """Yes: the blocks read tokens alone."""
        return True

    def token_states(self, sequences: Packed) -> Tensor:
        """State after each token, (tokens, width)."""
        return self.finish(self.encoder(self.embedding(sequences), sequences))

    def last_states(self, sequences: Packed) -> Tensor:
        """State after each history, (sequences, width)."""
        return self.finish(self.encoder.last(self.embedding(sequences), sequences))

    def item_table(self) -> ItemEmbedding:
        """The item embedding."""
        return self.embedding.items

    def item_vectors(self) -> Tensor:
        """The item embeddings divided by the temperature, (items, width)."""
        return at_temperature(self.embedding.items.vectors, self.config.temperature)
