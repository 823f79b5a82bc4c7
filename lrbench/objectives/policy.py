"""Group-relative policy optimisation whose action is the target item, as LARES uses it.

Each row (a history and its target) is rolled out several times. The rollouts of a row are a group, and a
rollout's reward is compared only with those of its group (Shao et al. 2024, DeepSeekMath). The "action" of
every reasoning step is the target itself, so the policy term is an advantage-weighted log-likelihood at each
step. There is one update per batch, so the probability ratio has the value 1 and only its gradient matters.
The advantages of a group sum to 0, so the value of the loss is that of the divergence alone.
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

_ADVANTAGE_EPSILON = 1e-4  # LARES's authors add it, so that equal rewards of a group divide by no zero


@torch.no_grad()
def items_above(states: Tensor, item_vectors: Tensor, targets: Tensor) -> Tensor:
    """Count the items whose score is strictly greater than the target's. Without ties it is the 0-based rank.

    Args:
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.

    Returns:
        (targets,) int64
    """
    above = torch.empty_like(targets)
    for rows, scores in score_chunks(item_vectors, states.to(item_vectors.dtype)):  # autocast may narrow them
        target_score = scores.gather(1, targets[rows].unsqueeze(1))  # (chunk, 1)
        greater = scores.gt_(target_score)  # (chunk, items) of 0 and 1
        above[rows] = greater.sum(1, dtype=torch.float32).long()  # exact up to 2^24 items, as in ranking
    return above


def ranking_reward(above: Tensor, metric: Reward, cutoff: int) -> Tensor:
    """Return the reward of a ranking, from the number of items above the target.

    Args:
        above: number of items scored above the target, any shape. This is the target's 0-based rank.
        metric: ``recall``: the reward is 1 if above < cutoff. ``ndcg``: it is 1 / log2(above + 2) there.
            Everywhere else it is 0.
        cutoff: how many of the first ranks earn a reward.

    Returns:
        Rewards in float64, shaped as ``above``.
    """
    hit = (above < cutoff).double()
    return hit if metric == "recall" else hit / torch.log2(above.double() + 2)


def group_advantages(rewards: Tensor) -> Tensor:
    """Return rewards relative to their group, (rollouts, rows) → (rollouts, rows).

    The advantage is ``(r − mean) / (sd + 1e-4)`` over the rollouts of a row. The standard deviation divides
    by n − 1, so there must be at least two rollouts. Advantages are 0 if all rewards of a group are equal.
    """
    deviation = rewards - rewards.mean(0)
    return deviation / (rewards.std(0) + _ADVANTAGE_EPSILON)


def divergence(policy: Tensor, reference: Tensor) -> Tensor:
    """Estimate KL(policy ‖ reference) from log-probabilities of the target, any shape, element by element.

    The estimate ``exp(ref − pol) − (ref − pol) − 1`` is non-negative, and 0 where the two agree (Schulman
    2020).
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
    """Return the loss of a rollout of each row, averaged over its steps and the rows.

    At every step it is ``−(exp(ℓ − sg(ℓ))·A − β·KL)``, where ℓ is the policy's log-probability of the target
    and sg stops the gradient. Its derivative with respect to ℓ is ``β·(1 − exp(ref − ℓ)) − A``.

    Args:
        trajectory: the states of every step, (steps, rows, width).
        item_vectors: (items, width).
        targets: (rows,) item numbers.
        reference: log-probabilities of the target under the frozen reference, (steps, rows).
        advantages: A, (rows,), or (steps, rows) if the steps belong to several rollouts.
        beta: β, weight of the divergence, a number or (steps, 1).
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
