"""Models whose state at each token is multiplied with item vectors to score the item that comes next."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.base import Model
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["NextItemModel"]


class NextItemModel(Model):
    """A model of ``state · item vector``; subclasses give the states and the items."""

    @abstractmethod
    def token_states(self, sequences: Packed) -> Tensor:
        """Encode every token, (tokens, width), ready to be multiplied with the item vectors."""

    @abstractmethod
    def item_vectors(self) -> Tensor:
        """All items as vectors, (items, width)."""

    def target_loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of the targets given the states that predict them: full softmax cross-entropy.

        Args:
            states: (targets, width).
            targets: (targets,) item numbers.
        """
        return cross_entropy(states, self.item_vectors(), targets)

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """State at each history's last item, (1, sequences, width)."""
        return self.token_states(sequences)[sequences.last].unsqueeze(0)

    def score(self, states: Tensor) -> Tensor:
        """Dot products with all items, (rows, items)."""
        return states @ self.item_vectors().T
