"""The training stage that most models share: the loss of the next item at every target."""

from lrbench.data.batches import TrainingBatch
from lrbench.models.base import GradientStage, Terms
from lrbench.models.next_item import NextItemModel

__all__ = ["Supervised"]


class Supervised(GradientStage):
    """Mean loss of the next item over the batch's targets."""

    model: NextItemModel

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the loss as ``loss``."""
        states = self.model.target_states(batch)  # (targets, width)
        return {"loss": self.model.target_loss(states, batch.targets)}
