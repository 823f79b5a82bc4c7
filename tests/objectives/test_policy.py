"""Group-relative policy terms, on cases worked by hand."""

import math

import pytest
import torch

from lrbench.objectives.policy import divergence, group_advantages, ranking_reward, rollout_loss


def test_rewards_by_rank() -> None:
    above = torch.tensor([[0, 1], [9, 10]])
    assert ranking_reward(above, "recall", 10).tolist() == [[1, 1], [1, 0]]
    expected = [[1, 1 / math.log2(3)], [1 / math.log2(11), 0]]
    torch.testing.assert_close(ranking_reward(above, "ndcg", 10), torch.tensor(expected).double())


def test_advantages_use_the_unbiased_deviation_of_their_own_group() -> None:
    rewards = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])  # (rollouts, rows)
    spread = 0.5 + 1e-4  # sd of (1, 0, 0, 0) with n - 1
    expected = torch.tensor([[0.75, 0], [-0.25, 0], [-0.25, 0], [-0.25, 0]]) / spread
    torch.testing.assert_close(group_advantages(rewards), expected)


def test_divergence_is_zero_only_where_the_two_agree() -> None:
    policy = torch.tensor([-1.0, -1.0, -1.0])
    reference = torch.tensor([-1.0, -2.0, 0.0])
    expected = torch.tensor([0.0, math.exp(-1), math.e - 2])
    torch.testing.assert_close(divergence(policy, reference), expected)


def test_loss_has_the_value_of_the_divergence_and_the_gradient_of_both() -> None:
    policy = torch.tensor([[-1.0], [-3.0]], requires_grad=True)  # (steps, rows)
    reference = torch.tensor([[-2.0], [-3.0]])
    loss = rollout_loss(policy, reference, torch.tensor([0.7]), beta=0.5)
    assert loss.item() == pytest.approx((0.5 * math.exp(-1) - 2 * 0.7) / 2)
    loss.sum().backward()
    # Per step: beta * (1 - exp(ref - pol)) - advantage, over the two steps.
    expected = torch.tensor([[0.5 * (1 - math.exp(-1)) - 0.7], [-0.7]]) / 2
    torch.testing.assert_close(policy.grad, expected)


def test_a_group_that_agrees_teaches_nothing_but_the_divergence() -> None:
    policy = torch.tensor([[-1.0]], requires_grad=True)
    advantages = group_advantages(torch.ones(4, 1))
    rollout_loss(policy, policy.detach().clone(), advantages[0], beta=1.0).sum().backward()
    assert policy.grad is not None
    assert policy.grad.item() == 0
