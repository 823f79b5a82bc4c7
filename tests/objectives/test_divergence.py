"""The chunked divergence against the dense one, in value and gradient, and by hand."""

import math

import pytest
import torch
from torch import Tensor

from lrbench.objectives.divergence import pairwise_divergence


def dense(states: Tensor, items: Tensor) -> Tensor:
    logs = (states @ items.T).log_softmax(-1)
    pairs = [
        (own.exp() * (own - other.detach())).sum(-1).mean()
        for s, own in enumerate(logs)
        for t, other in enumerate(logs)
        if s != t
    ]
    return torch.stack(pairs).mean()


@pytest.mark.parametrize("n_states", [2, 3, 5])
def test_it_is_the_dense_one(n_states: int) -> None:
    source = torch.Generator().manual_seed(n_states)
    states = torch.randn(n_states, 7, 4, dtype=torch.float64, generator=source, requires_grad=True)
    items = torch.randn(9, 4, dtype=torch.float64, generator=source, requires_grad=True)
    chunked, expected = pairwise_divergence(states, items), dense(states, items)
    torch.testing.assert_close(chunked, expected)
    ours, theirs = (torch.autograd.grad(2 * value, (states, items)) for value in (chunked, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    turned = states.transpose(0, 1).contiguous().transpose(0, 1)  # another memory layout
    torch.testing.assert_close(pairwise_divergence(turned, items), expected)


def test_two_coins() -> None:
    """Scores (0, 0) and (ln 3, 0): distributions (1/2, 1/2) and (3/4, 1/4)."""
    states = torch.tensor([[[0.0]], [[math.log(3)]]], dtype=torch.float64)
    items = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    one = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    other = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert pairwise_divergence(states, items).item() == pytest.approx((one + other) / 2)


def test_one_state_agrees_with_itself() -> None:
    states = torch.randn(1, 3, 2, requires_grad=True)
    assert pairwise_divergence(states, torch.randn(4, 2)).item() == 0


def test_scores_can_be_coarse_and_sums_are_not() -> None:
    source = torch.Generator().manual_seed(5)
    states = torch.randn(3, 7, 16, generator=source, requires_grad=True)
    items = torch.randn(50, 16, generator=source, requires_grad=True)
    fine = pairwise_divergence(states, items)
    coarse = pairwise_divergence(states, items, torch.bfloat16)
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, fine, rtol=0.02, atol=0)
    ours, theirs = (torch.autograd.grad(value, (states, items)) for value in (coarse, fine))
    for own, exact in zip(ours, theirs, strict=True):
        assert own.dtype == torch.float32
        assert (own - exact).norm() < 0.03 * exact.norm()
