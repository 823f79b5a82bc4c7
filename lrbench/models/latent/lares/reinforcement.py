"""LARES, stage 2: reinforcement post-training (RPT).

Group-relative policy optimisation refines the pre-trained network. Each training row is rolled out several
times, each time with its own number of steps, noise and dropout. The last step of a rollout ranks the target,
and the rank earns a reward. If the reward is above the mean of the row's rollouts, all steps of the rollout
are reinforced. A divergence term keeps the policy near a frozen copy of the pre-trained network. Only targets
that this network ranks within the top 100 take part (BishopLiu/LARES @b09245d, ``trainer.py``,
``filter_data.py``).

Three points differ from the source. Rows are positions of packed sequences, so rows of a user share a
rollout's noise at their common positions. The reference's pre-block has no dropout, so it is computed once
for all rollouts. Log-probabilities are computed chunk by chunk, never as rows × steps × items. As in the
source, rewards and log-probabilities use the plain dot product, whatever the similarity.
"""

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.base import GradientStage, Terms
from lrbench.models.latent.lares.config import LARESConfig
from lrbench.models.latent.lares.network import LARESNetwork
from lrbench.models.latent.lares.rollouts import RolloutSteps, roll_out
from lrbench.models.layers.initialisation import set_dropout
from lrbench.objectives.log_probability import target_log_probabilities
from lrbench.objectives.policy import (
    divergence,
    group_advantages,
    items_above,
    policy_loss,
    ranking_reward,
)

__all__ = ["PostTraining"]

_FILTER_BATCH = 4096  # targets; the authors' evaluation batch


class Rollouts(NamedTuple):
    """All rollouts of every row of a batch. A dimension of steps holds those of all rollouts."""

    steps: RolloutSteps
    trajectory: Tensor  # (steps, targets, width)
    reference: Tensor  # (steps, targets) log-probability of the target under the frozen copy
    above: Tensor  # (rollouts, targets) items that the last step ranks above the target


class PostTraining(GradientStage[LARESConfig]):
    """Group-relative policy optimisation against a frozen copy of the pre-trained network."""

    model: LARESNetwork
    _reference: LARESNetwork

    @classmethod
    def refines(cls, config: LARESConfig) -> bool:
        """Yes: policy, reference and choice of targets all come from the pre-trained network."""
        return True

    def begin(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_]:
        """Freeze the reference, choose the targets and set the policy's dropout."""
        self._reference = copy.deepcopy(self.model).requires_grad_(False).eval()
        set_dropout(self.model, self.model.config.reinforcement_dropout)
        return self._reachable(data, device)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss``, and three terms that are only recorded.

        ``divergence`` is the mean divergence from the reference, ``reward`` the mean reward. ``mixed_groups``
        is the share of rows whose rollouts earn different rewards.
        """
        model, config = self.model, self.model.config
        batch = self._arranged(batch)
        steps, trajectory, reference, above = self._rollouts(batch)
        rewards = ranking_reward(above, config.reward, config.reward_cutoff)
        advantages = group_advantages(rewards).to(trajectory.dtype)
        items = model.embedding.items.weight
        weights = steps.weights.to(trajectory.dtype).unsqueeze(1)  # (steps, 1)
        loss, policy = policy_loss(
            trajectory,
            items,
            batch.targets,
            reference,
            advantages[steps.rollout_of] * weights,
            config.beta * weights,
            model.score_dtype,
        )
        return {
            "loss": loss,
            "divergence": (divergence(policy, reference) * weights).mean(),
            "reward": rewards.mean(),
            "mixed_groups": (rewards != rewards[0]).any(0).to(rewards.dtype).mean(),
        }

    def _arranged(self, batch: TrainingBatch) -> TrainingBatch:
        rows = self.model.arranged_rows(batch.sequences, batch.rows)
        return replace(batch, sequences=self.model.arrange(batch.sequences), rows=rows)

    def _rollouts(self, batch: TrainingBatch) -> Rollouts:
        model, frozen, sequences = self.model, self._reference, batch.sequences
        count = model.config.rollouts
        depths = sorted((model.draw_steps() for _ in range(count)), reverse=True)
        steps = RolloutSteps(depths, sequences)
        pre = model.prepare(steps.copies[count])
        # Scoring takes most of the time, so recomputing is cheap. Storing would keep the activations of all
        # rollouts at once.
        trajectory = roll_out(model, pre, steps, batch.rows, keep=False)
        with torch.no_grad():
            other = frozen.prepare(sequences).repeat(count, 1)
            states = roll_out(frozen, other, steps, batch.rows)
            targets, items = batch.targets.repeat(len(states)), frozen.embedding.items.weight
            reference = target_log_probabilities(states.flatten(0, 1), items, targets, model.score_dtype)
            last = trajectory[steps.last].flatten(0, 1)  # (rollouts · targets, width)
            above = items_above(last, model.embedding.items.weight, batch.targets.repeat(count))
        return Rollouts(steps, trajectory, reference.view(len(states), -1), above.view(count, -1))

    @torch.no_grad()
    def _reachable(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_]:
        """Targets that the reference ranks within the cutoff in any pass over the training rows."""
        config, reference = self.model.config, self._reference
        keep = np.zeros(data.n_targets, dtype=np.bool_)
        for _ in range(config.filter_passes if reference.noisy(config) else 1):
            for batch in map(self._arranged, data.batches(_FILTER_BATCH, device)):
                pre = reference.prepare(batch.sequences)
                last = reference.unroll(pre, batch.sequences, config.mean_depth)[-1][batch.rows]
                states = reference.user_vectors(last)
                above = items_above(states, reference.item_vectors(), batch.targets)
                keep[batch.target_ids] |= (above < config.filter_cutoff).cpu().numpy()
        return keep
