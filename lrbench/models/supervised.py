"""The training stage that most models share: the loss of the next item at every target."""

from lrbench.data.batches import TrainingBatch
from lrbench.models.base import ConfigT, GradientStage, Model, Terms
from lrbench.models.next_item import NextItemModel

__all__ = ["Supervised"]


class Supervised(GradientStage[ConfigT]):
    """Mean loss of the next item over the batch's targets."""

    model: NextItemModel

    @classmethod
    def allows_data_parallel(cls, config: ConfigT) -> bool:
        """Yes: the loss is a mean over targets, given what all processes draw alike for a batch."""
        return True

    @classmethod
    def replayable(cls, model: type[Model[ConfigT]], config: ConfigT) -> bool:
        """Yes, if the model's network is."""
        return issubclass(model, NextItemModel) and model.network_replayable(config)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the loss as ``loss``."""
        states = self.model.target_states(batch)  # (targets, width)
        # Plug-ins that were written before batches had weights take two arguments.
        weights = () if batch.weights is None else (batch.weights,)
        return {"loss": self.model.target_loss(states, batch.targets, *weights)}
