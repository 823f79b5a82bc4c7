"""What models with one input embedding and one encoder share, such as SASRec, FMLP-Rec and BSARec."""

from typing import Any

from torch import Tensor
from typing_extensions import TypeVar

from lrbench.data.packing import Packed
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.embeddings import InputEmbedding, ItemEmbedding, PlainEmbedding
from lrbench.models.losses import NextItemLoss
from lrbench.models.next_item import NextItemModel, over

__all__ = ["EncoderModel"]


LossT = TypeVar("LossT", bound=NextItemLoss, default=Any)


class EncoderModel(NextItemModel[LossT]):
    """An embedding of items and positions, then an encoder. Item embeddings score the states.

    A subclass sets ``embedding`` and ``encoder`` in its constructor.
    """

    embedding: InputEmbedding | PlainEmbedding
    encoder: Encoder

    def finish(self, states: Tensor) -> Tensor:
        """Transform states after the last block, (…, width) → (…, width). By default they stay the same."""
        return states

    @classmethod
    def network_replayable(cls, config: LossT) -> bool:
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
        return over(self.embedding.items.vectors, self.config.temperature)
