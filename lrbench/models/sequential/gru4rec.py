"""GRU4Rec: a gated recurrent network over the history (Hidasi et al., ICLR 2016; Tan et al. 2016).

The network is that of RecBole 1.2.1: dropout on the item embeddings, GRU layers without biases, and a linear
layer back to the embedding width. The loss is the full softmax cross-entropy. Initialisation is RecBole's
too: Xavier's rule for the first GRU layer, and PyTorch's own rule for further layers.

Two points differ from RecBole. Every position of a training sequence is a target in one pass. For a recurrent
network this is the same loss as one row per prefix. There is no padding item, so none takes part in the
softmax.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.base import AuthorsTraining
from lrbench.models.layers.dropout import Dropout
from lrbench.models.layers.embeddings import ItemEmbedding
from lrbench.models.next_item import NextItemModel, at_temperature
from lrbench.models.next_item_loss import LossOptions
from lrbench.models.supervised import Supervised

__all__ = ["GRU4Rec", "GRU4RecConfig"]


class GRU4RecConfig(LossOptions):
    """Sizes and dropout."""

    source = "GRU4Rec of RecBole 1.2.1"

    layers: int = Field(default=1, ge=1)
    """GRU layers (RecBole: 1)."""

    width: int = Field(default=64, ge=1)
    """Length of item embeddings and states (RecBole: 64)."""

    hidden_width: int = Field(default=128, ge=1)
    """Width of the recurrent state (RecBole: 128)."""

    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout rate on the item embeddings (RecBole: 0.3)."""


class GRU4Rec(NextItemModel[GRU4RecConfig]):
    """Recurrent network. The state at the last item scores all items by dot product."""

    Config = GRU4RecConfig
    summary = "GRU4Rec: gated recurrent network, full cross-entropy (Hidasi et al. 2016; RecBole's form)."
    authors_training = AuthorsTraining({"batch_size": 2048, "rows": "prefixes"}, whose="RecBole")
    stages: ClassVar = {"supervised": Supervised}
    default_stages = ("supervised",)

    def __init__(self, config: GRU4RecConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        self.items = ItemEmbedding(n_items, config.width)
        self.dropout = Dropout(config.dropout)
        self.gru = nn.GRU(config.width, config.hidden_width, config.layers, bias=False, batch_first=True)
        self.output = nn.Linear(config.hidden_width, config.width)
        nn.init.xavier_normal_(self.items.weight)
        for name, weight in self.gru.named_parameters():
            if name.endswith("_l0"):
                nn.init.xavier_uniform_(weight)

    def token_states(self, sequences: Packed) -> Tensor:
        """State after each token, (tokens, width)."""
        embedded = self.dropout(self.items(sequences.items))
        return self.output(sequences.by_group(self._recur, embedded))

    def item_table(self) -> ItemEmbedding:
        """The item embedding."""
        return self.items

    def item_vectors(self) -> Tensor:
        """The item embeddings divided by the temperature, (items, width)."""
        return at_temperature(self.items.vectors, self.config.temperature)

    def _recur(self, embedded: Tensor) -> Tensor:
        """GRU outputs of one group, (sequences, length, width) → (sequences, length, hidden width)."""
        return self.gru(embedded)[0]
