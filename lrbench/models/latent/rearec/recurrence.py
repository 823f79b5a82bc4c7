"""Plain recurrence: a Transformer whose last state is fed back, with no loss that shapes the steps.

This is the naive baseline of latent reasoning: the network of ReaRec without its two learning methods (arXiv
2503.22675, figure 5). Only the last step is trained, by cross-entropy. By default there are no step
embeddings. Sizes and dropout are those of lrbench's SASRec, so that the two models differ by the recurrence
alone.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.models.base import AuthorsTraining, GradientStage, Model, Terms
from lrbench.models.latent.rearec.network import ReaRecConfig, ReaRecNetwork
from lrbench.models.reasoning import Recipe
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["Recurrence", "RecurrenceConfig"]


class RecurrenceConfig(ReaRecConfig):
    """Sizes of SASRec, steps of ReaRec."""

    source = "SASRec of RecBole 1.2.1"

    width: int = Field(default=64, ge=1)
    """Length of item embeddings and states (RecBole: 64)."""

    inner_width: int = Field(default=256, ge=1)
    """Width between the two layers of the feed-forward parts (RecBole: 256)."""

    input_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the inputs of items and steps (RecBole: 0.5)."""

    temperature: float = Field(default=1.0, gt=0)
    """It divides all scores, in training and in ranking (RecBole: 1)."""

    step_embedding: bool = False
    """Whether a step adds an embedding of its number (ReaRec's code: true; false is the ablation of its
    paper)."""

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse an embedding of steps that are not taken.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        self.refuse_without_steps("step_embedding")


class LastStep(GradientStage[RecurrenceConfig]):
    """Cross-entropy of the last step."""

    model: "Recurrence"

    @classmethod
    def allows_data_parallel(cls, config: RecurrenceConfig) -> bool:
        """Yes: the loss is a mean over targets."""
        return True

    @classmethod
    def replayable(cls, model: type[Model[RecurrenceConfig]], config: RecurrenceConfig) -> bool:
        """Yes: the losses read tensors alone."""
        return True

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the cross-entropy as ``loss``."""
        model = self.model
        states, _ = model.training_states(batch)
        items = model.item_vectors()
        return {"loss": cross_entropy(states[-1], items, batch.targets, model.score_dtype, batch.weights)}


class Recurrence(ReaRecNetwork[RecurrenceConfig]):
    """SASRec in a loop."""

    Config = RecurrenceConfig
    summary = "Plain recurrence: SASRec whose last state is fed back, trained on the last step alone."
    authors_training = AuthorsTraining({"batch_size": 2048, "rows": "prefixes"}, whose="ReaRec")
    stages: ClassVar = {"supervised": LastStep}
    default_stages = ("supervised",)

    def __init__(self, config: RecurrenceConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        if not config.step_embedding:
            self.leave_out("step_positions")

    def representations(self, states: Tensor) -> Tensor:
        """The states themselves."""
        return states

    @classmethod
    def same_losses(cls, config: RecurrenceConfig) -> Recipe:
        """The encoder alone, since there are no auxiliary losses."""
        return cls.without_reasoning(config)
