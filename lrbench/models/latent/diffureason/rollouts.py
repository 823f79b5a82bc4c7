"""Rollouts of the reverse chain and the policy gradient on them.

A group is G reverse chains (η = 1) from one hypothesis. Their rewards are compared within the group (Shao et
al. 2024, DeepSeekMath). Each batch gets one update, so the probability ratio has the value 1 and is never
clipped. Only its gradient matters. There is no divergence from a reference, because joint training has no
frozen network.
"""

from itertools import pairwise

import torch
from torch import Tensor

from lrbench.models.latent.diffureason.network import DiffuReasonNetwork
from lrbench.models.latent.diffureason.thoughts import Thoughts
from lrbench.models.layers.activation_checkpoint import recomputed
from lrbench.objectives.log_probability import target_log_probabilities
from lrbench.objectives.policy import group_advantages, items_above, ranking_reward

__all__ = ["policy_terms"]


def policy_terms(model: DiffuReasonNetwork, thoughts: Thoughts, targets: Tensor) -> dict[str, Tensor]:
    """Return the loss as ``policy``, and ``reward`` and ``mixed_groups``, which are only recorded.

    Args:
        model: the network. Its denoiser has no dropout, so a chain can be recomputed.
        thoughts: those of the rows. Gradients flow through them.
        targets: (rows,) item numbers.
    """
    config, items = model.config, model.item_vectors()
    groups = thoughts.repeated(config.rollouts)  # of rollouts · rows
    repeated = targets.repeat(config.rollouts)
    trajectory, intent = _rolled_out(model, groups)
    rewards = _rewards(model, intent, items, repeated).view(config.rollouts, -1)  # (rollouts, rows)
    advantages = group_advantages(rewards).to(items.dtype)
    if config.shuffled_advantages:
        advantages = advantages.flatten()[torch.randperm(advantages.numel(), device=advantages.device)]
    advantages = advantages.reshape(-1)
    condition = model.condition(groups)
    if config.policy == "trajectory":
        logs = _log_densities(model, trajectory, condition)  # (steps, rollouts · rows)
    else:
        # The levels end with 0, so the last but one is where the last call of the denoiser happens.
        last = model.denoiser(trajectory[-1], _level(model, -2, targets), condition)
        logs = target_log_probabilities(last, items, repeated, model.score_dtype).unsqueeze(0)
    ratio = (logs - logs.detach()).exp()
    return {
        "policy": -(ratio * advantages).mean(),
        "reward": rewards.mean().to(items.dtype),
        "mixed_groups": (rewards != rewards[0]).any(0).to(items.dtype).mean(),
    }


@torch.no_grad()
def _rolled_out(model: DiffuReasonNetwork, thoughts: Thoughts) -> tuple[list[Tensor], Tensor]:
    """Run the chain with new noise.

    Returns:
        x at each of the sampler's levels, and the final intent, (rows, width) each.
    """
    condition, levels = model.condition(thoughts), model.levels()
    state = model.starting_state(model.hypothesis(thoughts.states), torch.randn_like)
    trajectory = [state]
    for place, (level, after) in enumerate(pairwise(levels)):
        clean = model.denoiser(state, _level(model, place, state), condition)
        mean, deviation = model.reverse(state, clean, level, after, eta=1.0)
        state = mean + deviation * torch.randn_like(mean)
        if after:
            trajectory.append(state)
    return trajectory, state


def _log_densities(model: DiffuReasonNetwork, trajectory: list[Tensor], condition: Tensor) -> Tensor:
    """Return the log-density of each reverse step with noise, as a mean over channels, (steps, rows).

    It is ``−‖x_next − μ‖² / (2σ²·width)``, without constants. With a sum over channels, gradients would grow
    with the width. The backward pass recomputes the denoiser of a step. Stored, all steps together would need
    most of a training step's memory.
    """
    levels = model.levels()
    logs = []
    for place, (state, action) in enumerate(pairwise(trajectory)):
        at = _level(model, place, state)

        def clean(state: Tensor, condition: Tensor, at: Tensor = at) -> Tensor:
            return model.denoiser(state, at, condition)

        predicted = recomputed(clean, model.denoiser, state, condition)
        mean, deviation = model.reverse(state, predicted, levels[place], levels[place + 1], eta=1.0)
        logs.append(-(action - mean).square().mean(-1) / (2 * deviation.square()))
    return torch.stack(logs)


def _rewards(model: DiffuReasonNetwork, intents: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    """Return the reward of each rollout, from its ranking of the target, (rows,)."""
    config = model.config
    above = items_above(intents, items.detach(), targets)
    cutoff = model.n_items if config.reward == "rank" else config.reward_cutoff
    return ranking_reward(above, "recall" if config.reward == "recall" else "ndcg", cutoff)


def _level(model: DiffuReasonNetwork, place: int, like: Tensor) -> Tensor:
    return torch.full((), model.levels()[place], device=like.device)
