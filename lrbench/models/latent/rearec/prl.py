"""PRL, ReaRec's progressive reasoning: each step predicts more sharply, and must resist noise.

ReaRec appends one token per reasoning step to the history. r_0 is the encoder's state at the last item, and
r_s is the state at the token of step s. ``loss = CE(r_K; τ) + w · mean_{s<K} CE(r_s; τ·α^{K−s}) + c ·
contrast``. After the warm-up, a second chain gets the states of the first one plus normal noise. Its own
states are r'_s. The contrast asks each r'_s to find the r_s of its own row among those of the batch. It is
InfoNCE of dot products over τ, averaged over steps 1 … K. Gradients flow through both (arXiv 2503.22675;
TangJiakai/ReaRec @7f46432).

The standard deviation of the noise is γ, as in the code. In the paper γ is the variance. During the warm-up
there is no contrast. The code crashes there.

The source's batches are shuffled prefixes. Here all targets of a user share a batch, and by default they are
not negatives of each other.
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
    """w, weight of the mean cross-entropy of the steps before the last (code: 1)."""

    annealing: float = Field(default=5.0, ge=1)
    """α. The cross-entropy of step s has the temperature τ·α^(K−s), so each step predicts more sharply than
    the one before (code: 5; the paper tunes 1 to 10)."""

    contrast_weight: float = Field(default=1.0, ge=0)
    """c, weight of the contrast between noisy and clean states (code: 1)."""

    noise_std: float = Field(default=0.01, gt=0)
    """γ, standard deviation of the noise on the inputs of the second chain (code: 0.01)."""

    warm_up: int = Field(default=2, ge=0)
    """First epochs, which have neither noise nor contrast (code: 2)."""

    same_sequence_negatives: bool = False
    """Whether targets of the same user are negatives of each other in the contrast (code: true). The source
    shuffles prefixes, so a batch there rarely holds two rows of one user. Here all targets of a user share
    a batch. Therefore lrbench's choice is false."""


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
        """Start the noise after the warm-up."""
        self._warm = epoch > self.model.config.warm_up

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms. With 0 steps there is only the cross-entropy."""
        model, config = self.model, self.model.config
        contrasted = self._warm and config.contrast_weight > 0
        states, noisy = model.training_states(batch, self.jitter if contrasted else None)
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
        if noisy is not None:
            terms["contrast"] = self._contrast(noisy, states[1:], batch)
            loss = loss + config.contrast_weight * terms["contrast"]
        return {"loss": loss, **terms}

    def jitter(self, state: Tensor) -> Tensor:
        """Noise for a reasoning input, of its shape."""
        return torch.randn_like(state) * self.model.config.noise_std

    def _contrast(self, noisy: Tensor, clean: Tensor, batch: TrainingBatch) -> Tensor:
        config = self.model.config
        similarities = (noisy / config.temperature) @ clean.transpose(1, 2)  # (steps, targets, targets)
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
