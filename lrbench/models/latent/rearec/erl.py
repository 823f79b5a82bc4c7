"""ERL, ReaRec's ensemble reasoning: the mean of all steps is scored, and steps are made to disagree.

ReaRec appends one token per reasoning step to the history. r_0 is the encoder's state at the last item, and
r_s is the state at the token of step s. ``loss = CE(mean(r_0 … r_K)) − λ · divergence``. The divergence is
the mean of KL(p_s ‖ p_t) over ordered pairs of steps. p_s is the softmax of the scores of r_s over all items.
p_t passes no gradient (arXiv 2503.22675; TangJiakai/ReaRec @7f46432).

The mean includes r_0 and divides by K + 1, as in the code. The paper divides by K. The code crashes in epoch
3 because it never sets an attribute. That is not reproduced.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.models.base import AuthorsTraining, GradientStage, Model, Terms
from lrbench.models.latent.rearec.network import ReaRecConfig, ReaRecNetwork, running_means
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.divergence import pairwise_divergence

__all__ = ["ERL", "ERLConfig"]


class ERLConfig(ReaRecConfig):
    """Sizes, steps and the weight of the divergence."""

    source = ReaRecConfig.source

    divergence_weight: float = Field(default=0.05, ge=0)
    """λ, weight of the divergence, which rewards steps that disagree (code: 0.05; the paper tunes 0.001 to
    0.1)."""


class Ensemble(GradientStage[ERLConfig]):
    """Cross-entropy of the mean state, minus the divergence of the steps."""

    model: "ERL"

    @classmethod
    def allows_data_parallel(cls, config: ERLConfig) -> bool:
        """Yes: both terms are means over targets."""
        return True

    @classmethod
    def replayable(cls, model: type[Model[ERLConfig]], config: ERLConfig) -> bool:
        """Yes: the losses read tensors alone."""
        return True

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms. With 0 steps or a weight of 0 there is no divergence."""
        model, config = self.model, self.model.config
        states, _ = model.training_states(batch)  # (steps + 1, targets, width)
        items = model.item_vectors()
        prediction = cross_entropy(states.mean(0), items, batch.targets, model.score_dtype, batch.weights)
        terms = {"cross_entropy": prediction}
        if not (config.steps and config.divergence_weight):
            return {"loss": terms["cross_entropy"], **terms}
        terms["divergence"] = pairwise_divergence(states, items, model.score_dtype, batch.weights)
        loss = terms["cross_entropy"] - config.divergence_weight * terms["divergence"]
        return {"loss": loss, **terms}


class ERL(ReaRecNetwork[ERLConfig]):
    """Ensemble of reasoning steps."""

    Config = ERLConfig
    summary = "ReaRec-ERL: mean of latent reasoning steps that are made to disagree (arXiv 2503.22675)."
    authors_training = AuthorsTraining({"batch_size": 2048, "rows": "prefixes"})
    stages: ClassVar = {"supervised": Ensemble}
    default_stages = ("supervised",)

    def representations(self, states: Tensor) -> Tensor:
        """The means over the steps so far, (steps + 1, rows, width)."""
        return running_means(states)
