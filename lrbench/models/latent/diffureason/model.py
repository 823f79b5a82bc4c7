"""DiffuReason: a hypothesis from thinking tokens, refined by diffusion, aligned by reinforcement.

It has three parts (arXiv 2602.09744). *Think*: several latent tokens after the history give a first intent,
the hypothesis c. *Diffuse*: a conditional diffusion refines it. Its clean variable x_0 is the target's
embedding. The denoiser predicts x̂_0 from a noisy x_t. *Align*: a group-relative policy gradient on ranking
quality trains all parts at once. The paper's abstract and claims are known. Its equations, its settings and
most of its results are not. There is no public code. This is lrbench's reading, with each open choice as an
option.

The main open choices are these. ``start``: where the reverse chain starts. ``policy``: what the policy
gradient acts on. ``denoiser``: how the denoiser reads the hypothesis. ``cross_entropy_from``: what the
denoiser reads when the cross-entropy of x̂_0 is taken. Its squared error is always taken at random noise
levels. Training is joint by default (stage ``joint``). The staged form runs ``supervised``. Then ``grpo``
trains the embeddings of thinking steps and the denoiser alone.

A depth counts thinking tokens and then calls of the denoiser. Only ``policy_targets`` targets of a batch get
rollouts. Rollouts of all targets would cost several times the rest of a step.
"""

from typing import ClassVar

import torch
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.base import AuthorsTraining, GradientStage, Terms
from lrbench.models.latent.diffureason.config import DiffuReasonConfig
from lrbench.models.latent.diffureason.network import DiffuReasonNetwork
from lrbench.models.latent.diffureason.rollouts import policy_terms
from lrbench.models.latent.diffureason.thoughts import Thoughts
from lrbench.models.layers.diffusion import noised
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["DiffuReason", "Joint", "PolicyGradient", "SupervisedDiffusion"]


class SupervisedDiffusion(GradientStage):
    """Cross-entropy of the hypothesis and of the denoised intent, and the denoiser's squared error."""

    model: DiffuReasonNetwork

    def begin(self, data: TrainingData, device: torch.device) -> None:
        """Let all weights be trained."""
        self.model.requires_grad_(True)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms."""
        return self._supervised(self.model.training_thoughts(batch), batch.targets)

    def _supervised(self, thoughts: Thoughts, targets: Tensor) -> Terms:
        model, config = self.model, self.model.config
        items, hypothesis = model.item_vectors(), model.hypothesis(thoughts.states)
        terms = {"hypothesis": cross_entropy(hypothesis, items, targets, model.score_dtype)}
        if not config.sampler_steps:
            return {"loss": terms["hypothesis"], **terms}
        if config.refinement == "deterministic":
            intent = model.repeated(thoughts)
        else:
            clean = model.clean(targets)
            intent = self._denoised(thoughts, clean)
            terms["denoising"] = (intent - clean.detach()).square().mean()
            if config.cross_entropy_from == "start":
                intent = self._first_prediction(thoughts)
        terms["cross_entropy"] = cross_entropy(intent, items, targets, model.score_dtype)
        loss = terms["cross_entropy"] + config.hypothesis_weight * terms["hypothesis"]
        if "denoising" in terms:
            loss = loss + config.denoising_weight * terms["denoising"]
        return {"loss": loss, **terms}

    def _denoised(self, thoughts: Thoughts, clean: Tensor) -> Tensor:
        """Return x̂_0 from the target's embedding at a random noise level, (targets, width)."""
        model = self.model
        level = torch.randint(1, model.config.noise_levels + 1, (len(clean),), device=clean.device)
        state = noised(clean, model.rates[level].unsqueeze(1), torch.randn_like(clean))
        return model.denoiser(state, level, self._condition(thoughts))

    def _first_prediction(self, thoughts: Thoughts) -> Tensor:
        """Return x̂_0 from what inference starts from, which does not show the target, (targets, width)."""
        model = self.model
        state = model.starting_state(model.hypothesis(thoughts.states), torch.randn_like)
        level = torch.full((), model.levels()[0], device=state.device)
        return model.denoiser(state, level, self._condition(thoughts))

    def _condition(self, thoughts: Thoughts) -> Tensor:
        """Return what the denoiser reads of the hypothesis. Some rows get the null vector in its place."""
        model, rate = self.model, self.model.config.guidance_dropout
        condition = model.condition(thoughts)
        if not rate:
            return condition
        dropped = torch.rand(len(condition), device=condition.device) < rate
        dropped = dropped.view(-1, *[1] * (condition.ndim - 1))
        return torch.where(dropped, model.denoiser.without(condition), condition)


class Joint(SupervisedDiffusion):
    """The supervised losses plus the policy gradient of rollouts."""

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms, and two that are only recorded.

        ``reward`` is the mean reward. ``mixed_groups`` is the share of targets whose rollouts earn different
        rewards.
        """
        model, config = self.model, self.model.config
        thoughts = model.training_thoughts(batch)
        terms = self._supervised(thoughts, batch.targets)
        if not (config.sampler_steps and config.policy_weight):
            return terms
        terms |= _policy(model, thoughts, batch.targets)
        return {**terms, "loss": terms["loss"] + config.policy_weight * terms["policy"]}


class PolicyGradient(GradientStage[DiffuReasonConfig]):
    """The policy gradient alone. It trains the embeddings of thinking steps and the denoiser. Encoder and
    items are frozen."""

    model: DiffuReasonNetwork

    @classmethod
    def refines(cls, config: DiffuReasonConfig) -> bool:
        """Yes: the frozen encoder must have been trained before."""
        return True

    def begin(self, data: TrainingData, device: torch.device) -> None:
        """Freeze encoder and items."""
        self.model.requires_grad_(False)
        self.model.denoiser.requires_grad_(True)
        if self.model.step_positions is not None:
            self.model.step_positions.requires_grad_(True)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the policy's loss as ``loss``, and ``reward`` and ``mixed_groups`` as :class:`Joint`."""
        terms = _policy(self.model, self.model.training_thoughts(batch), batch.targets)
        return {"loss": terms["policy"], **terms}


class DiffuReason(DiffuReasonNetwork):
    """Thinking tokens, diffusion and policy gradient."""

    summary = (
        "DiffuReason: thinking tokens refined by diffusion, with GRPO (arXiv 2602.09744; no public code)."
    )
    authors_training = AuthorsTraining(note="They are not known; the defaults are used instead.")
    stages: ClassVar = {"joint": Joint, "supervised": SupervisedDiffusion, "grpo": PolicyGradient}
    default_stages = ("joint",)


def _policy(model: DiffuReasonNetwork, thoughts: Thoughts, targets: Tensor) -> Terms:
    """Return the terms of the policy gradient for some targets of a batch, drawn without replacement."""
    drawn = torch.randperm(len(targets), device=targets.device)[: model.config.policy_targets]
    return policy_terms(model, thoughts.of(drawn), targets[drawn])
