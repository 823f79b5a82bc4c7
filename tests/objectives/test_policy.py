"""Group-relative policy terms, on cases worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from lrbench.objectives.policy import (
    divergence,
    group_advantages,
    items_above,
    policy_loss,
    ranking_reward,
)


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


def dense_loss(trajectory, items, targets, reference, advantages, beta: float) -> Tensor:
    """The loss as it is written, with the gradient left to autograd."""
    scores = trajectory @ items.T  # (steps, rows, items)
    policy = scores.log_softmax(2)[:, torch.arange(len(targets)), targets]
    ratio = (policy - policy.detach()).exp()
    return (beta * divergence(policy, reference) - ratio * advantages).mean()


def case(steps: int, rows: int) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(10 * steps + rows)
    double = {"generator": source, "dtype": torch.float64}
    return {
        "trajectory": torch.randn(steps, rows, 3, **double, requires_grad=True),
        "item_vectors": torch.randn(5, 3, **double, requires_grad=True),
        "targets": torch.randint(5, (rows,), generator=source),
        "reference": -torch.rand(steps, rows, **double) * 3,
        "advantages": torch.randn(rows, **double),
    }


@pytest.mark.parametrize("beta", [0.0, 0.5])
@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (1, 7), (3, 1), (4, 6)])
def test_loss_and_gradients_are_those_of_the_formula(steps: int, rows: int, beta: float) -> None:
    inputs = case(steps, rows)
    trajectory, items = inputs["trajectory"], inputs["item_vectors"]
    dense = dense_loss(*inputs.values(), beta)
    loss, policy = policy_loss(**inputs, beta=beta)
    torch.testing.assert_close(loss, dense)
    expected = torch.autograd.grad(dense, (trajectory, items))
    torch.testing.assert_close(torch.autograd.grad(loss, (trajectory, items)), expected)
    everywhere = (trajectory @ items.T).log_softmax(2)
    torch.testing.assert_close(policy, everywhere[:, torch.arange(rows), inputs["targets"]])
    assert not policy.requires_grad


def test_each_step_may_have_its_own_beta() -> None:
    inputs, betas = case(2, 4), (0.0, 0.5)
    alone = []
    for step, beta in enumerate(betas):
        one = slice(step, step + 1)
        parts = {"trajectory": inputs["trajectory"][one], "reference": inputs["reference"][one]}
        alone.append(policy_loss(**(inputs | parts), beta=beta)[0])
    together, _ = policy_loss(**inputs, beta=torch.tensor(betas, dtype=torch.float64).unsqueeze(1))
    torch.testing.assert_close(together, torch.stack(alone).mean())
    found, expected = (
        torch.autograd.grad(loss, inputs["item_vectors"]) for loss in (together, torch.stack(alone).mean())
    )
    torch.testing.assert_close(found, expected)


def test_a_case_by_hand() -> None:
    # Two items with scores ±x: log p = −log(1 + exp(−2x)), and its derivative by x is 2·(1 − p).
    trajectory = torch.tensor([[[0.5]]], requires_grad=True)  # (steps, rows, width)
    items = torch.tensor([[1.0], [-1.0]])
    target, advantage = torch.tensor([0]), torch.tensor([0.7])
    p = 1 / (1 + math.exp(-1))
    reference = torch.tensor([[math.log(p) - 1]])
    loss, policy = policy_loss(trajectory, items, target, reference, advantage, beta=0.5)
    assert policy.item() == pytest.approx(math.log(p))
    assert loss.item() == pytest.approx(0.5 * math.exp(-1) - 0.7)
    loss.backward()
    assert trajectory.grad is not None
    assert trajectory.grad.item() == pytest.approx((0.5 * (1 - math.exp(-1)) - 0.7) * 2 * (1 - p))


def test_a_group_that_agrees_teaches_nothing_but_the_divergence() -> None:
    inputs = case(2, 3)
    log_probabilities = policy_loss(**inputs, beta=1.0)[1]
    agreed = inputs | {"reference": log_probabilities, "advantages": group_advantages(torch.ones(4, 3))[0]}
    loss, _ = policy_loss(**agreed, beta=1.0)
    (gradient,) = torch.autograd.grad(loss, inputs["trajectory"])
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_items_above_is_the_place_in_the_ranking() -> None:
    inputs = case(1, 20)
    states, items, targets = inputs["trajectory"][0], inputs["item_vectors"], inputs["targets"]
    order = (states @ items.T).argsort(1, descending=True)
    place = (order == targets[:, None]).int().argmax(1)
    assert items_above(states, items, targets).tolist() == place.tolist()


def test_level_items_are_not_above() -> None:
    states = torch.tensor([[1.0], [1.0]])
    items = torch.tensor([[2.0], [1.0], [1.0], [0.0]])
    assert items_above(states, items, torch.tensor([2, 3])).tolist() == [1, 3]
