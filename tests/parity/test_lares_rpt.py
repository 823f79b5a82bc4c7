"""LARES, reinforcement, against the authors' numbers; initial states and steps are given.

The loss's value is that of the divergence alone, so only gradients and advantages test the rewards.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from parity.lares_case import NAMES, give_rollout_states, give_steps, lares
from parity.published import Published, calls, last_target_batch, training_data
from torch import Tensor

from lrbench.models.latent.lares.reinforcement import PostTraining
from lrbench.objectives import policy as objective
from lrbench.objectives.log_probability import target_log_probabilities
from lrbench.objectives.policy import (
    divergence,
    group_advantages,
    items_above,
    policy_loss,
    ranking_reward,
)

ROWS, ROLLOUTS = 6, 4


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("lares_rpt", request.param)


@pytest.fixture
def data(published: Published):
    return training_data(published, ("in.item_seq", "in.item_len"))


class Rollout(NamedTuple):
    """One rollout of every row."""

    trajectory: Tensor  # (steps, rows, width)
    reference: Tensor  # (steps, rows)
    above: Tensor  # (rows,)


def deepest_first(published: Published) -> list[int]:
    """The published rollouts in the order in which the stage holds them."""
    return np.argsort([-steps for steps in published.config["steps_per_rollout"]], kind="stable").tolist()


def reinforcement(published: Published, reward: str) -> PostTraining:
    """The stage with published policy, reference and draws."""
    sequences, cases = published.sequences(), published.cases
    policy = lares(published, reward=reward).train()
    reference = lares(published, "weights_reference").eval()
    order = deepest_first(published)
    give_rollout_states(policy, published, [(cases["in.states_policy"][n], sequences) for n in order])
    give_rollout_states(reference, published, [(cases["in.states_reference"][n], sequences) for n in order])
    give_steps(policy, published.config["steps_per_rollout"])
    stage = PostTraining(policy)
    stage._reference = reference
    return stage


def by_rollout(rows: Tensor) -> list[Tensor]:
    """Published rows, user by user, (rows * rollouts, …) as one (rows, …) per rollout."""
    return list(rows.unflatten(0, (ROWS, ROLLOUTS)).transpose(0, 1))


def rollouts(published: Published, data) -> tuple[list[Rollout], Callable[..., tuple[Tensor, Tensor]]]:
    """The rollouts, and what their loss is of a rollout and its advantages."""
    stage = reinforcement(published, "recall")
    batch = last_target_batch(data, ROWS)
    items = stage.model.embedding.items.weight

    def loss(rollout: Rollout, advantages: Tensor) -> tuple[Tensor, Tensor]:
        return policy_loss(rollout.trajectory, items, batch.targets, rollout.reference, advantages, beta=1.0)

    steps, trajectory, reference, above = stage._rollouts(batch)
    held = [steps.rollout_of == number for number in range(ROLLOUTS)]
    done = [Rollout(trajectory[own], reference[own], above[number]) for number, own in enumerate(held)]
    return [done[place] for place in np.argsort(deepest_first(published))], loss


def test_scores_and_ranking_of_the_last_step(published: Published, data) -> None:
    done, _ = rollouts(published, data)
    model, steps = lares(published), by_rollout(published.cases["out.step_mask"])
    every_score, every_log, every_top = (
        by_rollout(published.cases[f"out.{key}"])
        for key in ("scores_last_step", "last_step_log_probs_all_items", "topk_items")
    )
    for rollout, real, scores, logs, top in zip(done, steps, every_score, every_log, every_top, strict=True):
        assert real.sum(1).tolist() == [len(rollout.trajectory)] * ROWS
        states = rollout.trajectory[-1]
        published.equal(model.score(states), scores, "scores")
        items = model.item_vectors()
        log_probabilities = [
            target_log_probabilities(states, items, torch.full((ROWS,), item)) for item in range(len(items))
        ]
        published.equal(torch.stack(log_probabilities, 1), logs, "log-probabilities")
        for above, ranked in enumerate(top.T):
            assert (items_above(states, items, ranked) == above).all()


def test_log_probabilities_and_divergence(published: Published, data) -> None:
    expected = [
        by_rollout(published.cases[f"out.{key}"])
        for key in ("target_log_probs_policy", "target_log_probs_reference", "kl_per_step")
    ]
    means = []
    done, loss = rollouts(published, data)
    for rollout, steps, policy, reference, estimate in zip(
        done, published.config["steps_per_rollout"], *expected, strict=True
    ):
        _, log_probabilities = loss(rollout, torch.zeros(ROWS))
        published.equal(log_probabilities.T, policy[:, :steps], "policy")
        published.equal(rollout.reference.T, reference[:, :steps], "reference")
        actual = divergence(log_probabilities, rollout.reference)
        published.equal(actual.T, estimate[:, :steps], "divergence")
        means.append(actual.mean(0))
    published.close(torch.stack(means).mean(), "out.kl_mean")


@pytest.mark.parametrize("reward", ["recall", "ndcg"])
def test_rewards_advantages_and_losses_of_each_rollout(
    published: Published, data, reward: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, loss = rollouts(published, data)
    means = calls(monkeypatch, objective, "mean_loss")
    rewards = ranking_reward(torch.stack([rollout.above for rollout in done]), reward, 10)
    published.equal(rewards.T.flatten(), published.cases[f"out.{reward}.rewards"], "rewards")
    published.close(rewards.sum(), f"out.{reward}.reward_sum")
    advantages = group_advantages(rewards)
    published.equal(advantages.T.flatten(), published.cases[f"out.{reward}.advantages"], "advantages")
    per_step = by_rollout(published.cases[f"out.{reward}.loss_per_step"])
    for rollout, advantage, expected in zip(done, advantages, per_step, strict=True):
        steps = len(rollout.trajectory)
        published.equal(loss(rollout, advantage)[0], expected[:, :steps].mean(), "loss of a rollout")
        (_, _, _, of_rows, _), (_, log_probabilities) = means[-1]
        of_each, _ = of_rows(log_probabilities, slice(None))
        published.equal(of_each.view(steps, ROWS).T, expected[:, :steps], "loss of each step")


@pytest.mark.parametrize("reward", ["recall", "ndcg"])
def test_loss_and_gradients(published: Published, data, reward: str) -> None:
    stage = reinforcement(published, reward)
    terms = stage.losses(last_target_batch(data, ROWS))
    published.close(terms["loss"], f"out.{reward}.loss_total")
    assert terms["reward"].item() == pytest.approx(
        published.cases[f"out.{reward}.rewards"].mean().item(), rel=1e-6
    )
    terms["loss"].backward()
    published.close_gradients(stage.model, f"out.{reward}", NAMES)
    assert all(parameter.grad is None for parameter in stage._reference.parameters())
