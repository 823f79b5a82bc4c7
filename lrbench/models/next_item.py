"""Models whose state at each token is multiplied with item vectors to score the item that comes next."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.models.base import Model
from lrbench.models.layers.dropout import elements_dropped
from lrbench.models.losses import NextItemLoss, next_item_loss
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["NextItemModel", "over"]


def over(vectors: Tensor, temperature: float) -> Tensor:
    """Divide by a temperature; 1 costs nothing."""
    return vectors if temperature == 1 else vectors / temperature


class NextItemModel(Model):
    """A model of ``state · item vector``; subclasses give the states and the items."""

    def __init_subclass__(cls, **arguments: object) -> None:
        """Let no model that gives its states anew inherit a shorter way to the last of other ones."""
        super().__init_subclass__(**arguments)
        if "token_states" in vars(cls) and "last_states" not in vars(cls):
            cls.last_states = NextItemModel.last_states  # type: ignore[method-assign]

    @abstractmethod
    def token_states(self, sequences: Packed) -> Tensor:
        """Encode every token, (tokens, width), ready to be multiplied with the item vectors."""

    def last_states(self, sequences: Packed) -> Tensor:
        """Encode each sequence's last token alone, (sequences, width), in the order given to ``pack``.

        Networks that have a shorter way there than :meth:`token_states` take it.
        """
        return self.token_states(sequences).index_select(0, sequences.last)

    def target_states(self, batch: TrainingBatch) -> Tensor:
        """Encode what predicts the batch's targets, (targets, width)."""
        sequences = batch.sequences
        if batch.ends_sequences:
            return self.last_states(sequences).index_select(0, sequences.sequence_of[batch.rows])
        return self.token_states(sequences).index_select(0, batch.rows)

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
        return next_item_loss(self.config, states, self.item_vectors(), targets)

    @classmethod
    def check(cls, config: Any) -> None:
        """Refuse to drop items where the class does not say where they are kept."""
        dropped = isinstance(config, NextItemLoss) and config.item_dropout > 0
        if dropped and cls.item_table is NextItemModel.item_table:
            raise ValueError(f"item_dropout needs {cls.__name__}.item_table, which it does not have")

    def item_table(self) -> nn.Embedding:
        """Where the vectors of items are kept; only ``item_dropout`` asks for it."""
        raise NotImplementedError

    def one_step(self) -> AbstractContextManager[None]:
        """Items dropped alike in histories and scores, where the configuration drops any."""
        if not isinstance(self.config, NextItemLoss) or not self.config.item_dropout:
            return super().one_step()
        return elements_dropped(self.item_table(), self.config.item_dropout)

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """State at each history's last item, (1, sequences, width)."""
        return self.last_states(sequences).unsqueeze(0)

    def score(self, states: Tensor) -> Tensor:
        """Dot products with all items, (rows, items)."""
        return states @ self.item_vectors().T
