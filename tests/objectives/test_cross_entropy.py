"""The chunked cross-entropy against the dense one, in value and gradient."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.log_probability import mean_loss, target_log_probabilities

Case = tuple[Tensor, Tensor, Tensor]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows, items, width = draw(st.integers(1, 10)), draw(st.integers(1, 12)), draw(st.integers(1, 5))
    scale = draw(st.sampled_from([0.1, 1.0, 30.0]))
    source = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    states = torch.randn(rows, width, dtype=torch.float64, generator=source) * scale
    vectors = torch.randn(items, width, dtype=torch.float64, generator=source)
    targets = torch.randint(items, (rows,), generator=source)
    return states.requires_grad_(), vectors.requires_grad_(), targets


def gradients(value: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, inputs)


@given(cases())
def test_cross_entropy_is_the_dense_one(case: Case) -> None:
    states, vectors, targets = case
    dense = F.cross_entropy(states @ vectors.T, targets)
    chunked = cross_entropy(states, vectors, targets)
    torch.testing.assert_close(chunked, dense)
    torch.testing.assert_close(
        gradients(3 * chunked, states, vectors), gradients(3 * dense, states, vectors), rtol=1e-9, atol=1e-12
    )


@given(cases())
def test_log_probabilities_are_the_dense_ones_under_any_weights(case: Case) -> None:
    states, vectors, targets = case
    weights = torch.linspace(-1, 2, len(targets), dtype=torch.float64)
    dense = (states @ vectors.T).log_softmax(1).gather(1, targets[:, None]).squeeze(1)
    chunked = target_log_probabilities(states, vectors, targets)
    torch.testing.assert_close(chunked, dense)
    torch.testing.assert_close(
        gradients(chunked @ weights, states, vectors),
        gradients(dense @ weights, states, vectors),
        rtol=1e-9,
        atol=1e-12,
    )


def test_a_function_of_log_probabilities_is_weighted_row_by_row() -> None:
    source = torch.Generator().manual_seed(1)
    states = torch.randn(5, 3, dtype=torch.float64, generator=source, requires_grad=True)
    vectors = torch.randn(6, 3, dtype=torch.float64, generator=source, requires_grad=True)
    targets, weights = torch.tensor([0, 5, 2, 2, 4]), torch.tensor([0.1, 0.4, 0.0, 0.2, 0.3])
    squares, _ = mean_loss(states, vectors, targets, lambda logs, _: (logs**2, 2 * logs), None, weights)
    logs = (states @ vectors.T).log_softmax(1).gather(1, targets[:, None]).squeeze(1)
    dense = logs**2 @ weights.double()
    torch.testing.assert_close(squares, dense)
    torch.testing.assert_close(gradients(squares, states, vectors), gradients(dense, states, vectors))


def test_both_pass_gradcheck() -> None:
    source = torch.Generator().manual_seed(0)
    states = torch.randn(7, 3, dtype=torch.float64, generator=source, requires_grad=True)
    vectors = torch.randn(5, 3, dtype=torch.float64, generator=source, requires_grad=True)
    targets = torch.tensor([0, 1, 2, 3, 4, 4, 0])
    for function in (cross_entropy, target_log_probabilities):
        assert torch.autograd.gradcheck(lambda *inputs, f=function: f(*inputs, targets), (states, vectors))


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_float32_stays_near_float64(scale: float) -> None:
    source = torch.Generator().manual_seed(0)
    states = torch.randn(50, 8, generator=source) * scale
    vectors = torch.randn(40, 8, generator=source)
    targets = torch.randint(40, (50,), generator=source)
    for function in (cross_entropy, target_log_probabilities):
        single = function(states, vectors, targets)
        double = function(states.double(), vectors.double(), targets)
        assert torch.isfinite(single).all()
        torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("scores", [torch.float32, torch.bfloat16])
def test_a_probability_too_small_for_its_type_has_its_logarithm(scores: torch.dtype) -> None:
    states = torch.tensor([[1.0], [90.0], [1000.0]])  # log p of item 1 is −state, but for the sum
    vectors, targets = torch.tensor([[1.0], [0.0]]), torch.tensor([1, 1, 1])
    logs = target_log_probabilities(states, vectors, targets, scores)
    loss = cross_entropy(states, vectors, targets, scores)
    torch.testing.assert_close(logs[1:], torch.tensor([-90.0, -1000.0]))
    assert logs[0].item() == pytest.approx(-math.log(1 + math.e), rel=3e-3)
    assert loss.item() == pytest.approx(-logs.mean().item())


def test_without_gradients_none_is_computed() -> None:
    vectors = torch.eye(3, requires_grad=True)
    with torch.no_grad():
        loss = cross_entropy(torch.eye(3), vectors, torch.arange(3))
    assert not loss.requires_grad
    assert loss.item() == pytest.approx(torch.tensor([1.0, 0.0, 0.0]).logsumexp(0).item() - 1)


def test_many_rows_take_one_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    product = torch.mm

    def watched(left: Tensor, right: Tensor, *, out: Tensor) -> Tensor:
        shapes.append(tuple(out.shape))
        return product(left, right, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    cross_entropy(torch.ones(10, 2), torch.ones(4, 2), torch.zeros(10, dtype=torch.int64))
    assert shapes == [(3, 4), (3, 4), (3, 4), (1, 4)]


def test_scores_can_be_coarse_and_sums_are_not() -> None:
    source = torch.Generator().manual_seed(0)
    states = torch.randn(64, 32, generator=source).requires_grad_()
    vectors = (torch.randn(500, 32, generator=source) / 4).requires_grad_()
    targets = torch.randint(500, (64,), generator=source)
    for loss in (cross_entropy, lambda *case: -target_log_probabilities(*case).mean()):
        exact = loss(states, vectors, targets)
        coarse = loss(states, vectors, targets, torch.bfloat16)
        assert coarse.dtype == torch.float32
        assert 0 < abs(coarse - exact) < 0.01 * exact
        for ours, reference in zip(
            gradients(coarse, states, vectors), gradients(exact, states, vectors), strict=True
        ):
            assert 0 < (ours - reference).norm() < 0.02 * reference.norm()
