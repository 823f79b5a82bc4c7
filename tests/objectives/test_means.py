"""Rows of weight 0 change no loss and no gradient, whatever they hold."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lrbench.objectives.alignment import symmetric_info_nce
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.divergence import pairwise_divergence
from lrbench.objectives.sampled import sampled_loss

REAL, FILLING, WIDTH, N_ITEMS = 7, 4, 5, 11
Loss = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def coarse(states: Tensor, items: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    return cross_entropy(states, items, targets, torch.bfloat16, weights)


def diverging(states: Tensor, items: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    return pairwise_divergence(torch.stack((states, states.flip(1), 2 * states)), items, None, weights)


def sampled(name: str) -> Loss:
    def loss(states: Tensor, items: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        negatives = torch.arange(3)
        return sampled_loss(name, states, items, targets, negatives, 0.7, weights)  # type: ignore[arg-type]

    return loss


def contrast(states: Tensor, items: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    filling = torch.zeros(len(states), dtype=torch.bool) if weights is None else weights == 0
    excluded = (filling[:, None] | filling).fill_diagonal_(False)
    return symmetric_info_nce(states, states @ items[:WIDTH], "cos", 0.5, excluded, weights)


LOSSES: dict[str, Loss] = {
    "cross-entropy": lambda states, items, targets, weights: cross_entropy(
        states, items, targets, None, weights
    ),
    "in bfloat16": coarse,
    "divergence": diverging,
    "contrast": contrast,
    **{name: sampled(name) for name in ("sampled_softmax", "gbce", "bce", "bpr")},
}


@pytest.mark.parametrize("name", LOSSES)
def test_filling_changes_nothing(name: str) -> None:
    source = torch.Generator().manual_seed(0)
    dtype = torch.float32 if name == "in bfloat16" else torch.float64
    states = torch.randn(REAL, WIDTH, generator=source, dtype=dtype, requires_grad=True)
    items = torch.randn(N_ITEMS, WIDTH, generator=source, dtype=dtype, requires_grad=True)
    targets = torch.randint(N_ITEMS, (REAL + FILLING,), generator=source)
    filling = torch.randn(FILLING, WIDTH, generator=source, dtype=dtype)
    weights = torch.tensor([1 / REAL] * REAL + [0.0] * FILLING, dtype=torch.float64)
    plain = LOSSES[name](states, items, targets[:REAL], None)
    filled = LOSSES[name](torch.cat((states, filling)), items, targets, weights)
    expected, found = (torch.autograd.grad(loss, (states, items)) for loss in (plain, filled))
    close = {"rtol": 1e-2, "atol": 1e-2} if name == "in bfloat16" else {"rtol": 1e-9, "atol": 1e-11}
    torch.testing.assert_close(filled, plain, **close)
    torch.testing.assert_close(found, expected, **close)
