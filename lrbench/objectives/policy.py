"""Group-relative policy optimisation whose action is the target item, as LARES uses it.

Each row (a history and its target) is rolled out several times. A rollout's reward is compared only with
those of its group (Shao et al. 2024, DeepSeekMath). The "action" of every reasoning step is the target
itself, so the policy term is an advantage-weighted log-likelihood at each step. With a single update per
batch the probability ratio has the value 1, and only its gradient matters. Advantages of a group sum to zero,
so the value of the loss is that of the divergence alone.
"""

from typing import Literal

import torch
from torch import Tensor

from lrbench.objectives.log_probability import mean_loss
from lrbench.objectives.score_chunks import score_chunks

__all__ = [
    "Reward",
    "divergence",
    "group_advantages",
    "items_above",
    "policy_loss",
    "ranking_reward",
]

Reward = Literal["recall", "ndcg"]

_ADVANTAGE_EPSILON = 1e-4  # the authors' guard against groups whose rewards are all equal


@torch.no_grad()
def items_above(states: Tensor, item_vectors: Tensor, targets: Tensor) -> Tensor:
    """Count the items whose score is strictly greater than the target's: the 0-based rank without ties.

    Args:
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.

    Returns:
        (targets,) int64
    """
    above = torch.empty_like(targets)
    for rows, scores in score_chunks(item_vectors, states):
        target_score = scores.gather(1, targets[rows].unsqueeze(1))  # (chunk, 1)
        above[rows] = (
            scores.gt_(target_score).sum(1, dtype=torch.float32).long()
        )  # exact up to 2^24 items, as in ranking
    return above


def ranking_reward(above: Tensor, metric: Reward, cutoff: int) -> Tensor:
    """Reward of a ranking by how many items rank above the target.

    Args:
        above: counts of items scored above the target, any shape; the 0-based rank.
        metric: ``recall``: 1 within the cutoff. ``ndcg``: 1 / log2(rank + 2) within it. Otherwise 0.
        cutoff: ranks that earn a reward.

    Returns:
        Rewards in float64, shaped as ``above``.
    """
    hit = (above < cutoff).double()
    return hit if metric == "recall" else hit / torch.log2(above.double() + 2)


def group_advantages(rewards: Tensor) -> Tensor:
    """Rewards relative to their group, (rollouts, rows) → (rollouts, rows).

    ``(r − mean) / (sd + 1e-4)`` over the rollouts of a row, sd with n − 1. It is 0 if all rewards are equal.
    """
    deviation = rewards - rewards.mean(0)
    return deviation / (rewards.std(0) + _ADVANTAGE_EPSILON)


def divergence(policy: Tensor, reference: Tensor) -> Tensor:
    """Estimate KL(policy ‖ reference) from log-probabilities of the target, element by element.

    ``exp(ref − pol) − (ref − pol) − 1`` is non-negative, and 0 where the two agree (Schulman 2020).
    """
    difference = reference - policy
    return difference.exp() - difference - 1


def policy_loss(
    trajectory: Tensor,
    item_vectors: Tensor,
    targets: Tensor,
    reference: Tensor,
    advantages: Tensor,
    beta: float | Tensor,
    score_dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of one rollout of each row, averaged over its steps and the rows.

    ``−(exp(ℓ − sg(ℓ))·A − β·KL)`` at every step, with ℓ the policy's log-probability of the target; its
    derivative by ℓ is ``β·(1 − exp(ref − ℓ)) − A``.

    Args:
        trajectory: (steps, rows, width).
        item_vectors: (items, width).
        targets: (rows,) item numbers.
        reference: log-probabilities of the target under the frozen reference, (steps, rows).
        advantages: (rows,), or (steps, rows) if the steps belong to several rollouts.
        beta: weight of the divergence, a number or (steps, 1).
        score_dtype: type of the scores of all items; ``None``: the type of the states.

    Returns:
        The loss, a scalar, and the policy's log-probabilities without gradients, (steps, rows).
    """
    steps = len(trajectory)
    flat_reference, flat_advantages = reference.flatten(), advantages.expand_as(reference).flatten()
    betas = beta.expand_as(reference).flatten() if isinstance(beta, Tensor) else beta

    def row_loss(policy: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        ahead, advantage = flat_reference[rows] - policy, flat_advantages[rows]
        weight = betas[rows] if isinstance(betas, Tensor) else betas
        values = weight * divergence(policy, flat_reference[rows]) - advantage
        return values, weight * (1 - ahead.exp()) - advantage

    states = trajectory.flatten(0, 1)
    loss, policy = mean_loss(states, item_vectors, targets.repeat(steps), row_loss, score_dtype)
    return loss, policy.view(steps, -1)
