"""The training stage that most models share: full cross-entropy of the next item at every target."""

from typing import Protocol

from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.models.base import GradientStage, Terms
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["NextItemEncoder", "Supervised"]


class NextItemEncoder(Protocol):
    """A model whose state at each token scores the item that comes next."""

    def token_states(self, sequences: Packed) -> Tensor:
        """Encode every token, (tokens, width), ready to be multiplied with the item vectors."""
        ...

    def item_vectors(self) -> Tensor:
        """All items as vectors, (items, width)."""
        ...


class Supervised(GradientStage):
    """Mean over the batch's targets of −log softmax(state · item vectors)[target]."""

    model: NextItemEncoder

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the cross-entropy as ``loss``."""
        states = self.model.token_states(batch.sequences)[batch.rows]  # (targets, width)
        return {"loss": cross_entropy(states, self.model.item_vectors(), batch.targets)}
