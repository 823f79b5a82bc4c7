"""LARES, stage 2: reinforcement post-training (RPT).

Group-relative policy optimisation refines the pre-trained network. Each training row is rolled out several
times, each time with its own number of steps, noise and dropout. A rollout whose last step ranks the target
well is reinforced at all its steps, compared with the other rollouts of the row. A frozen copy of the network
keeps the policy near (BishopLiu/LARES @b09245d, ``trainer.py``, ``filter_data.py``). Only targets that the
pre-trained network ranks within the top 100 take part.

Three points differ from the source. Rows are positions of packed sequences, so rows of a user share a
rollout's noise at their common positions. The reference's pre-block has no dropout, so it is computed once
for all rollouts. Log-probabilities are computed chunk by chunk, never as rows × steps × items. As in the
source, rewards and log-probabilities use the plain dot product, whatever the similarity.
"""

import copy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.base import GradientStage, Terms
from lrbench.models.latent.lares.network import LARESNetwork
from lrbench.models.layers.initialisation import set_dropout
from lrbench.objectives.log_probability import target_log_probabilities
from lrbench.objectives.policy import (
    divergence,
    group_advantages,
    items_above,
    policy_loss,
    ranking_reward,
)

__all__ = ["Reinforcement"]

_FILTER_BATCH = 4096  # targets; the authors' evaluation batch


class Rollout(NamedTuple):
    """One rollout of every row of a batch."""

    trajectory: Tensor  # (steps, targets, width)
    reference: Tensor  # (steps, targets) log-probability of the target under the frozen copy
    above: Tensor  # (targets,) items that the last step ranks above the target


class Reinforcement(GradientStage):
    """Group-relative policy optimisation against a frozen copy of the pre-trained network."""

    model: LARESNetwork
    _reference: LARESNetwork

    @classmethod
    def refines(cls, config: Any) -> bool:
        """The policy, its reference and the choice of targets all come from the pre-trained network."""
        return True

    def begin(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_]:
        """Freeze the reference, choose the targets and set the policy's dropout."""
        self._reference = copy.deepcopy(self.model).requires_grad_(False).eval()
        set_dropout(self.model, self.model.config.reinforcement_dropout)
        return self._reachable(data, device)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss``, and for the record divergence, mean reward and share of mixed groups."""
        config, items = self.model.config, self.model.embedding.items.weight
        batch = self._arranged(batch)
        with torch.no_grad():
            pre = self._reference.prepare(batch.sequences)
        rollouts = [self._rollout(batch, pre) for _ in range(config.rollouts)]
        above = torch.stack([rollout.above for rollout in rollouts])  # (rollouts, targets)
        rewards = ranking_reward(above, config.reward, config.reward_cutoff)
        advantages = group_advantages(rewards).to(pre.dtype)
        losses, estimates = [], []
        for (trajectory, reference, _), advantage in zip(rollouts, advantages, strict=True):
            loss, policy = policy_loss(
                trajectory, items, batch.targets, reference, advantage, config.beta, self.model.score_dtype
            )
            losses.append(loss)
            estimates.append(divergence(policy, reference).mean())
        return {
            "loss": torch.stack(losses).mean(),
            "divergence": torch.stack(estimates).mean(),
            "reward": rewards.mean(),
            "mixed_groups": (rewards != rewards[0]).any(0).to(rewards.dtype).mean(),
        }

    def _arranged(self, batch: TrainingBatch) -> TrainingBatch:
        rows = self.model.arranged_rows(batch.sequences, batch.rows)
        return replace(batch, sequences=self.model.arrange(batch.sequences), rows=rows)

    def _rollout(self, batch: TrainingBatch, reference_pre: Tensor) -> Rollout:
        model, frozen, steps = self.model, self._reference, self.model.draw_steps()
        pre = model.prepare(batch.sequences)
        # Scoring takes most of the time, so recomputing is cheap; storing would hold all rollouts at once.
        trajectory = _at_targets(model.unroll(pre, batch.sequences, steps, keep=False), batch)
        with torch.no_grad():
            other = _at_targets(frozen.unroll(reference_pre, batch.sequences, steps), batch).flatten(0, 1)
            targets = batch.targets.repeat(steps)
            items = frozen.embedding.items.weight
            reference = target_log_probabilities(other, items, targets, model.score_dtype)
        above = items_above(trajectory[-1], model.embedding.items.weight, batch.targets)
        return Rollout(trajectory, reference.view(steps, -1), above)

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


def _at_targets(states: list[Tensor], batch: TrainingBatch) -> Tensor:
    """States of each step at the rows of the targets, (steps, targets, width)."""
    return torch.stack([state.index_select(0, batch.rows) for state in states])
