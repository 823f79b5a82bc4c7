"""The stages of a reinforced latent token: SASRec, the latent by cross-entropy, the latent by its reward.

Reinforcement follows LatentR³'s code. Each row's latent has G versions; the first has no noise. The reward is
continuous. The baseline is the mean reward of the batch's latents without noise. The advantages of the batch
are divided by their Euclidean norm. ``loss = −mean(advantage · log p(target))``. There is one update per
batch, so clipping would have no effect. There is no divergence from a reference, as in the code.
"""

import torch
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.base import GradientStage, Terms
from lrbench.models.latent.latent_rl.network import LatentRLConfig, LatentRLNetwork
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.log_probability import target_log_probabilities

__all__ = ["LatentReinforcement", "LatentTuning", "SASRecAlone", "batch_advantages"]


def batch_advantages(rewards: Tensor) -> Tensor:
    """Advantages of a batch: rewards minus the mean reward without noise, over the norm of the differences.

    Args:
        rewards: (rows, group). Column 0 is without noise.

    Returns:
        (rows, group)
    """
    differences = rewards - rewards[:, 0].mean()
    return differences / differences.norm().clamp(min=1e-12)


class SASRecAlone(GradientStage):
    """SASRec alone, by cross-entropy."""

    model: LatentRLNetwork

    def selection_depth(self) -> int:
        """Validation selects without latents."""
        return 0

    def begin(self, data: TrainingData, device: torch.device) -> None:
        """Train all parameters that have a part in this stage."""
        self.model.train_latents_alone(False)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the cross-entropy as ``loss``."""
        model = self.model
        states = model.training_states(batch, latents=0)[:, 0]
        return {"loss": cross_entropy(states, model.item_vectors(), batch.targets, model.score_dtype)}


class LatentTuning(GradientStage[LatentRLConfig]):
    """Cross-entropy at the last latent."""

    model: LatentRLNetwork

    @classmethod
    def refines(cls, config: LatentRLConfig) -> bool:
        """Yes, if SASRec is frozen, because it must have been trained before."""
        return config.freeze_backbone

    def begin(self, data: TrainingData, device: torch.device) -> None:
        """Freeze SASRec, unless this stage trains it as well."""
        self.model.train_latents_alone(self.model.config.freeze_backbone)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the cross-entropy as ``loss``."""
        model = self.model
        model.train_latents_alone(model.config.freeze_backbone)  # each epoch sets all parts to training mode
        states = model.training_states(batch, model.config.latents)[:, 0]
        return {"loss": cross_entropy(states, model.item_vectors(), batch.targets, model.score_dtype)}


class LatentReinforcement(GradientStage[LatentRLConfig]):
    """Policy gradient of perturbed latents; SASRec is frozen."""

    model: LatentRLNetwork

    @classmethod
    def refines(cls, config: LatentRLConfig) -> bool:
        """Yes: the frozen SASRec must have been trained before."""
        return True

    def begin(self, data: TrainingData, device: torch.device) -> None:
        """Freeze SASRec."""
        self.model.train_latents_alone(True)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss``, and for the record ``log_probability``.

        It is the mean log-probability of the targets with latents without noise.
        """
        model, config = self.model, self.model.config
        model.train_latents_alone(True)
        states = model.training_states(batch, config.latents, config.group)  # (targets, group, width)
        targets = batch.targets.repeat_interleave(config.group)
        items = model.item_vectors()
        logs = target_log_probabilities(states.flatten(0, 1), items, targets, model.score_dtype)
        logs = logs.view(-1, config.group)
        rewards = logs.detach() if config.reward == "log-likelihood" else -(-logs.detach()).exp()
        loss = -(batch_advantages(rewards) * logs).mean()
        return {"loss": loss, "log_probability": logs.detach()[:, 0].mean()}
