"""What FMLP-Rec and BSARec share: filters mix a history in a fixed window; its last item's state predicts.

The last item always has the last position, as with the sources' padding on the left.
"""

from abc import abstractmethod
from typing import Any, Literal

from pydantic import Field
from torch import Tensor
from typing_extensions import TypeVar

from lrbench.data.packing import Packed
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.embeddings import InputEmbedding
from lrbench.models.layers.initialisation import initialise
from lrbench.models.next_item_loss import LossOptions
from lrbench.models.sequential.encoder_model import EncoderModel

__all__ = ["FilteredConfig", "FilteredModel"]


class FilteredConfig(LossOptions):
    """Sizes and padding."""

    source = "the authors' code of FMLP-Rec (RUCAIBox/FMLP-Rec @f3c4285) and BSARec (yehjin-shin/BSARec)"

    layers: int = Field(default=2, ge=1)
    """Blocks (both authors: 2)."""

    width: int = Field(default=64, ge=1)
    """Length of item embeddings and states (both authors: 64)."""

    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the input and on what each part of a block adds (both authors: 0.5)."""

    padding: Literal["absent", "tokens"] = "absent"
    """``tokens`` pads every history on the left to the maximum length with a learned token. As in the
    sources, that token takes part in filters, in attention and in the softmax of the loss. Every history then
    costs as much as one of the maximum length. ``absent``, lrbench's choice: there is no such token."""


FilteredT = TypeVar("FilteredT", bound=FilteredConfig, default=Any)


class FilteredModel(EncoderModel[FilteredT]):
    """An embedding, then blocks with filters. The state at the last item scores all items by dot product."""

    def __init__(self, config: FilteredT, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        self.embedding = InputEmbedding(
            n_items,
            max_length,
            config.width,
            config.dropout,
            padding=config.padding == "tokens",
            right_aligned=config.padding == "absent",
        )
        self.encoder = self.blocks()
        initialise(self)

    @abstractmethod
    def blocks(self) -> Encoder:
        """Return the encoder."""

    @classmethod
    def causal(cls, config: FilteredT) -> bool:
        """No: filters wrap around the window, so later items reach earlier ones."""
        return False

    @classmethod
    def network_replayable(cls, config: FilteredT) -> bool:
        """Yes, unless padding tokens are added: the host computes where they are in every step."""
        return config.padding == "absent"

    def token_states(self, sequences: Packed) -> Tensor:
        """State at each token, (tokens, width). All but a sequence's last state have seen later items."""
        arranged = self._arrange(sequences)
        states: Tensor = self.encoder(self.embedding(arranged), arranged)
        if arranged is sequences:
            return states
        return states[sequences.places_when_padded(self.max_length, left=True)]

    def last_states(self, sequences: Packed) -> Tensor:
        """State at the last item of each sequence, (sequences, width)."""
        arranged = self._arrange(sequences)
        return self.encoder.last(self.embedding(arranged), arranged)

    def _arrange(self, sequences: Packed) -> Packed:
        """The sequences as the filters take them: with padding tokens if the configuration has them."""
        if self.config.padding == "absent":
            return sequences
        return sequences.padded(self.max_length, self.n_items, left=True)

    def score(self, states: Tensor) -> Tensor:
        """Dot products with all items but the padding token, (rows, items)."""
        return states @ self.item_vectors()[: self.n_items].T
