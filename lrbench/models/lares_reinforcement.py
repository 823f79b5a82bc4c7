"""LARES, stage 2: reinforcement post-training (RPT).

The pre-trained network is refined by group-relative policy optimisation: each training row is rolled
out several times, each time with its own number of steps, noise and dropout; a rollout whose last
step ranks the target well is reinforced at all its steps against the other rollouts of the row, and
a frozen copy of the network holds the policy back (BishopLiu/LARES @b09245d, ``trainer.py``,
``filter_data.py``). Only targets that the pre-trained network ranks within the top 100 take part.

What differs from the source: rows are positions of packed sequences, so rows of a user share a
rollout's noise at their common positions; the reference's pre-block, which has no dropout, is
computed once for all rollouts; and log-probabilities are taken chunk by chunk, never as
rows × steps × items. Rewards and log-probabilities use the plain dot product, whatever the
similarity, as in the source.
"""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.errors import LrbenchError
from lrbench.models.base import GradientStage, Terms
from lrbench.models.blocks import set_dropout
from lrbench.models.lares_network import LARESNetwork
from lrbench.objectives.cross_entropy import target_log_probabilities
from lrbench.objectives.policy import divergence, group_advantages, ranking_reward, rollout_loss

__all__ = ["Reinforcement"]

_FILTER_BATCH = 4096  # targets; the authors' evaluation batch


class Reinforcement(GradientStage):
    """Group-relative policy optimisation against a frozen copy of the pre-trained network."""

    model: LARESNetwork
    _reference: LARESNetwork

    def begin(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_]:
        """Freeze the reference, choose the targets and set the policy's dropout.

        Raises:
            LrbenchError: no target is ranked within the filter's cutoff.
        """
        self._reference = copy.deepcopy(self.model).requires_grad_(False).eval()
        keep = self._reachable(data, device)
        if not keep.any():
            raise LrbenchError(
                f"No training target ranks within the top {self.model.config.filter_cutoff}, so "
                "reinforcement has nothing to train on.",
                "Train the stage before it longer, or raise filter_cutoff.",
            )
        set_dropout(self.model, self.model.config.reinforcement_dropout)
        return keep

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss``, and for the record divergence, mean reward and share of mixed groups."""
        config = self.model.config
        with torch.no_grad():
            pre = self._reference.prepare(batch.sequences)
        rollouts = [self._rollout(batch, pre) for _ in range(config.rollouts)]
        above = torch.stack([counts for _, _, counts in rollouts])  # (rollouts, targets)
        rewards = ranking_reward(above, config.reward, config.reward_cutoff)
        advantages = group_advantages(rewards).to(pre.dtype)
        losses = [
            rollout_loss(policy, reference, advantage, config.beta)
            for (policy, reference, _), advantage in zip(rollouts, advantages, strict=True)
        ]
        estimates = [divergence(policy.detach(), reference).mean() for policy, reference, _ in rollouts]
        return {
            "loss": torch.stack(losses).mean(),
            "divergence": torch.stack(estimates).mean(),
            "reward": rewards.mean(),
            "mixed_groups": (rewards != rewards[0]).any(0).to(rewards.dtype).mean(),
        }

    def _rollout(self, batch: TrainingBatch, reference_pre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities under policy and reference, (steps, targets), and the last step's ranking."""
        steps = self.model.draw_steps()
        policy, above = self._log_probabilities(self.model, self.model.prepare(batch.sequences), batch, steps)
        with torch.no_grad():
            reference, _ = self._log_probabilities(self._reference, reference_pre, batch, steps)
        return policy, reference, above[-1]

    def _log_probabilities(
        self, network: LARESNetwork, pre: Tensor, batch: TrainingBatch, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Target's log-probability and number of items above it after each step, (steps, targets) each."""
        trajectory = network.unroll(pre, batch.sequences, steps)
        states = torch.cat([state[batch.rows] for state in trajectory])  # (steps * targets, width)
        items = network.embedding.items.weight
        values, above = target_log_probabilities(states, items, batch.targets.repeat(steps))
        return values.view(steps, -1), above.view(steps, -1)

    @torch.no_grad()
    def _reachable(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_]:
        """Targets that the reference ranks within the cutoff in any pass over the training rows."""
        config, reference = self.model.config, self._reference
        keep = np.zeros(data.n_targets, dtype=np.bool_)
        for _ in range(config.filter_passes if reference.noisy(config) else 1):
            for batch in data.batches(_FILTER_BATCH, device):
                pre = reference.prepare(batch.sequences)
                last = reference.unroll(pre, batch.sequences, config.mean_depth)[-1][batch.rows]
                states = reference.user_vectors(last)
                _, above = target_log_probabilities(states, reference.item_vectors(), batch.targets)
                keep[batch.target_ids] |= (above < config.filter_cutoff).cpu().numpy()
        return keep
