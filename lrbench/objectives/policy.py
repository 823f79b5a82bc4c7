"""Group-relative policy optimisation whose action is the target item, as LARES uses it.

Each row (a history and its target) is rolled out several times; a rollout's reward is compared with
those of its group alone (Shao et al. 2024, DeepSeekMath). The "action" of every reasoning step is
the target itself, so the policy term is an advantage-weighted log-likelihood at each step; with a
single update per batch the probability ratio is 1 in value and only its gradient matters. As
advantages of a group sum to zero, the value of the loss is that of the divergence alone.
"""

from typing import Literal

import torch
from torch import Tensor

__all__ = ["Reward", "divergence", "group_advantages", "ranking_reward", "rollout_loss"]

Reward = Literal["recall", "ndcg"]

_ADVANTAGE_EPSILON = 1e-4  # the authors' guard against groups whose rewards are all equal


def ranking_reward(above: Tensor, metric: Reward, cutoff: int) -> Tensor:
    """Reward of a ranking by how many items stand above the target.

    Args:
        above: counts of items scored above the target, any shape; the 0-based rank.
        metric: ``recall``: 1 within the cutoff; ``ndcg``: 1 / log2(rank + 2) within it; else 0.
        cutoff: ranks that count.

    Returns:
        Rewards in float64, shaped as ``above``.
    """
    hit = (above < cutoff).double()
    return hit if metric == "recall" else hit / torch.log2(above.double() + 2)


def group_advantages(rewards: Tensor) -> Tensor:
    """Rewards relative to their group, (rollouts, rows) → (rollouts, rows).

    ``(r − mean) / (sd + 1e-4)`` over the rollouts of a row, sd with n − 1; 0 where all are equal.
    """
    deviation = rewards - rewards.mean(0)
    return deviation / (rewards.std(0) + _ADVANTAGE_EPSILON)


def divergence(policy: Tensor, reference: Tensor) -> Tensor:
    """Estimate KL(policy ‖ reference) from log-probabilities of the target, element by element.

    ``exp(ref − pol) − (ref − pol) − 1``: non-negative, and 0 where the two agree (Schulman 2020).
    """
    difference = reference - policy
    return difference.exp() - difference - 1


def rollout_loss(policy: Tensor, reference: Tensor, advantages: Tensor, beta: float) -> Tensor:
    """Loss of one rollout of each row, averaged over the rollout's steps.

    ``−(exp(ℓ − sg(ℓ))·A − β·KL)`` at every step, with ℓ the policy's log-probability of the target.

    Args:
        policy: log-probabilities of the target, (steps, rows).
        reference: the same under the frozen reference, (steps, rows).
        advantages: (rows,).
        beta: weight of the divergence.

    Returns:
        (rows,)
    """
    ratio = (policy - policy.detach()).exp()
    return (beta * divergence(policy, reference) - ratio * advantages).mean(0)
