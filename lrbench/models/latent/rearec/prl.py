"""PRL, ReaRec's progressive reasoning: each step predicts more sharply, and must resist noise.

``loss = CE(r_K; τ) + w · mean_{s<K} CE(r_s; τ·α^{K−s}) + c · contrast``. After the warm-up, a second chain
gets the first one's inputs plus normal noise. The contrast asks each noisy r'_s to find its own clean r_s
among those of the batch. It is InfoNCE of dot products over τ, with gradients through both, averaged over
steps 1 … K (arXiv 2503.22675; TangJiakai/ReaRec @7f46432). The standard deviation of the noise is γ, as in
the code; in the paper γ is the variance. During the warm-up there is no contrast; the code crashes there.

The source's batches are shuffled prefixes. Here a user's targets share a batch, and by default they are no
negatives of each other.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.models.base import AuthorsTraining, GradientStage, Model, Terms
from lrbench.models.latent.rearec.network import ReaRecConfig, ReaRecNetwork
from lrbench.objectives.alignment import info_nce
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["PRL", "PRLConfig"]


class PRLConfig(ReaRecConfig):
    """Sizes, steps, annealing and contrast."""

    source = ReaRecConfig.source

    progression_weight: float = Field(default=1.0, ge=0)
    """w of the cross-entropies of the steps before the last (code: 1)."""

    annealing: float = Field(default=5.0, ge=1)
    """α, factor on the temperature per step before the last (code: 5; the paper tunes 1 to 10)."""

    contrast_weight: float = Field(default=1.0, ge=0)
    """c of the contrast between noisy and clean states (code: 1)."""

    noise_std: float = Field(default=0.01, gt=0)
    """γ, standard deviation of the noise on reasoning inputs (code: 0.01)."""

    warm_up: int = Field(default=2, ge=0)
    """Epochs without noise and contrast (code: 2)."""

    same_sequence_negatives: bool = False
    """Whether targets of the same user are negatives of each other in the contrast. In the source's batches a
    user hardly ever meets itself (code: true). Here a user's targets share a batch, so false is lrbench's
    choice."""


class Progressive(GradientStage[PRLConfig]):
    """Cross-entropies of all steps at falling temperatures, and the contrast against noise."""

    model: "PRL"
    _warm = False

    @classmethod
    def replayable(cls, model: type[Model[PRLConfig]], config: PRLConfig) -> bool:
        """Yes: the losses read tensors alone."""
        return True

    def phase(self) -> bool:
        """Whether there is noise."""
        return self._warm

    def begin_epoch(self, epoch: int) -> None:
        """Noise starts after the warm-up."""
        self._warm = epoch > self.model.config.warm_up

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms. Without steps there is only the cross-entropy."""
        model, config = self.model, self.model.config
        contrasted = self._warm and config.contrast_weight > 0
        states, shaken = model.training_states(batch, self.jitter if contrasted else None)
        items = model.item_vectors()
        given = batch.targets, model.score_dtype, batch.weights
        terms = {"cross_entropy": cross_entropy(states[-1], items, *given)}
        loss = terms["cross_entropy"]
        if config.steps and config.progression_weight:
            powers = range(config.steps, 0, -1)
            softened = [
                cross_entropy(state / config.annealing**power, items, *given)
                for power, state in zip(powers, states[:-1], strict=True)
            ]
            terms["progression"] = torch.stack(softened).mean()
            loss = loss + config.progression_weight * terms["progression"]
        if shaken is not None:
            terms["contrast"] = self._contrast(shaken, states[1:], batch)
            loss = loss + config.contrast_weight * terms["contrast"]
        return {"loss": loss, **terms}

    def jitter(self, state: Tensor) -> Tensor:
        """Noise for a reasoning input, of its shape."""
        return torch.randn_like(state) * self.model.config.noise_std

    def _contrast(self, shaken: Tensor, clean: Tensor, batch: TrainingBatch) -> Tensor:
        config = self.model.config
        similarities = (shaken / config.temperature) @ clean.transpose(1, 2)  # (steps, targets, targets)
        excluded = batch.no_negatives(same_user=not config.same_sequence_negatives)
        if excluded is not None:
            similarities.masked_fill_(excluded, -torch.inf)
        return torch.stack([info_nce(of_step, batch.weights) for of_step in similarities]).mean()


class PRL(ReaRecNetwork[PRLConfig]):
    """Progressively sharper reasoning steps."""

    Config = PRLConfig
    summary = "ReaRec-PRL: steps of falling temperature, contrasted with noisy ones (arXiv 2503.22675)."
    authors_training = AuthorsTraining({"batch_size": 2048, "rows": "prefixes"})
    stages: ClassVar = {"supervised": Progressive}
    default_stages = ("supervised",)

    def representations(self, states: Tensor) -> Tensor:
        """The states themselves."""
        return states
