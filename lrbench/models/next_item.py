"""Models whose state at each token is multiplied with item vectors to score the item that comes next."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.base import Model
from lrbench.models.dropout import dropout
from lrbench.models.losses import NextItemLoss, next_item_loss
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["NextItemModel", "over"]


def over(vectors: Tensor, temperature: float) -> Tensor:
    """Divide by a temperature; 1 costs nothing."""
    return vectors if temperature == 1 else vectors / temperature


class NextItemModel(Model):
    """A model of ``state · item vector``; subclasses give the states and the items."""

    @abstractmethod
    def token_states(self, sequences: Packed) -> Tensor:
        """Encode every token, (tokens, width), ready to be multiplied with the item vectors."""

    @abstractmethod
    def item_vectors(self) -> Tensor:
        """All items as they are multiplied with states, a temperature included, (items, width)."""

    def target_loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of the targets given the states that predict them.

        It is the one that the configuration names, and full softmax cross-entropy where it names none.

        Args:
            states: (targets, width).
            targets: (targets,) item numbers.
        """
        if not isinstance(self.config, NextItemLoss):
            return cross_entropy(states, self.item_vectors(), targets)
        items = dropout(self.item_vectors(), self.config.item_dropout if self.training else 0)
        return next_item_loss(self.config, states, items, targets)

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """State at each history's last item, (1, sequences, width)."""
        return self.token_states(sequences)[sequences.last].unsqueeze(0)

    def score(self, states: Tensor) -> Tensor:
        """Dot products with all items, (rows, items)."""
        return states @ self.item_vectors().T
