"""Sampled losses: small cases by hand, and what they become at their limits."""

import math

import pytest
import torch
import torch.nn.functional as F

from lrbench.objectives.binary_cross_entropy import positive_power
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.sampled import SampledLoss, draw_negatives, sampled_loss
from lrbench.objectives.sparse_scores import chosen_scores, gathered_scores

# One state of width 1, so that scores are the item vectors themselves.
STATE = torch.ones(1, 1, dtype=torch.float64)
ITEMS = torch.tensor([[0.0], [math.log(2)], [math.log(3)]], dtype=torch.float64)
TARGET = torch.tensor([1])


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


@pytest.mark.parametrize(
    ("loss", "negatives", "expected"),
    [
        ("sampled_softmax", [0, 2], -math.log(2 / (2 + 1 + 3))),
        ("sampled_softmax", [0, 1], -math.log(2 / (2 + 1))),  # the target itself is no negative
        ("bce", [0], -math.log(2 / 3) - math.log(1 / 2)),
        ("bce", [0, 2], -math.log(2 / 3) - math.log(1 / 2) - math.log(1 / 4)),
        ("gbce", [0, 2], -(0.5 * math.log(2 / 3) + math.log(1 / 2) + math.log(1 / 4)) / 3),
        ("bpr", [0, 2], -(math.log(2 / 3) + math.log(sigmoid(math.log(2 / 3)))) / 2),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_small_cases(loss: str, negatives: list[int], expected: float, shared: bool) -> None:
    drawn = torch.tensor(negatives if shared else [negatives])
    value = sampled_loss(loss, STATE, ITEMS, TARGET, drawn, power=0.5)
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_softmax_against_all_items_is_the_full_one() -> None:
    states, items = torch.randn(7, 5, dtype=torch.float64), torch.randn(11, 5, dtype=torch.float64)
    targets = torch.randint(11, (7,))
    full = cross_entropy(states, items, targets)
    torch.testing.assert_close(
        sampled_loss("sampled_softmax", states, items, targets, torch.arange(11)), full
    )


def test_calibration_runs_from_plain_to_the_sampling_rate() -> None:
    assert positive_power(10, 101, 0.0) == pytest.approx(1)
    assert positive_power(10, 101, 1.0) == pytest.approx(0.1)
    assert positive_power(10, 101, 0.75) == pytest.approx(0.1 * ((1 - 10) * 0.75 + 10))
    assert positive_power(10, 1, 1.0) == positive_power(10, 2, 1.0)  # there is no other item to divide by


def test_gradients_reach_states_and_items_alike_however_negatives_are_given() -> None:
    source = torch.Generator().manual_seed(0)
    states = torch.randn(4, 3, dtype=torch.float64, generator=source, requires_grad=True)
    items = torch.randn(9, 3, dtype=torch.float64, generator=source, requires_grad=True)
    targets, negatives = torch.tensor([0, 1, 1, 8]), torch.tensor([1, 5, 5])
    shared = sampled_loss("gbce", states, items, targets, negatives, 0.3)
    apart = sampled_loss("gbce", states, items, targets, negatives.expand(4, 3), 0.3)
    for ours, theirs in zip(
        torch.autograd.grad(shared, (states, items)), torch.autograd.grad(apart, (states, items)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_negatives_are_uniform_over_the_catalogue() -> None:
    torch.manual_seed(0)
    drawn = draw_negatives(torch.zeros(1000, dtype=torch.int64), 10, 50, shared=False)
    assert drawn.shape == (1000, 50)
    counts = torch.bincount(drawn.flatten(), minlength=10)
    assert F.l1_loss(counts / counts.sum(), torch.full((10,), 0.1)) < 0.005
    assert draw_negatives(torch.zeros(3), 10, 4, shared=True).shape == (4,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_chosen_scores_and_gradients_are_those_of_gathered_vectors(dtype: torch.dtype) -> None:
    """Some items are chosen more than once, in a row and across rows, and some never."""
    source = torch.Generator().manual_seed(1)
    states = torch.randn(8, 5, dtype=dtype, generator=source, requires_grad=True)
    items = torch.randn(100, 5, dtype=dtype, generator=source, requires_grad=True)
    chosen = torch.randint(20, (8, 6), generator=source)
    weights = torch.randn(8, 6, dtype=dtype, generator=source)
    ways = [way(states, items, chosen) for way in (chosen_scores, gathered_scores)]
    torch.testing.assert_close(*ways)
    ours, theirs = (torch.autograd.grad((weights * scores).sum(), (states, items)) for scores in ways)
    torch.testing.assert_close(ours, theirs)
    assert not ours[1][20:].any()


def test_chosen_scores_at_the_edges() -> None:
    states, items = torch.ones(2, 1), torch.tensor([[1.0], [2.0], [4.0]])
    assert chosen_scores(states, items, torch.tensor([[2, 2], [0, 1]])).tolist() == [[4, 4], [1, 2]]
    assert chosen_scores(states[:0], items, torch.empty(0, 2, dtype=torch.int64)).shape == (0, 2)


def test_chosen_scores_are_no_coarser_than_items() -> None:
    """States of a lower precision, as autocast gives them, are converted to that of the items."""
    source = torch.Generator().manual_seed(2)
    states = torch.randn(40, 16, generator=source, requires_grad=True)
    items = torch.randn(100, 16, generator=source, requires_grad=True)
    chosen = torch.randint(100, (40, 8), generator=source)
    coarse = states.bfloat16()
    scores, exact = (chosen_scores(given, items, chosen) for given in (coarse, coarse.float()))
    assert scores.dtype == torch.float32
    assert torch.equal(scores, exact)
    ours, theirs = (torch.autograd.grad(value.sum(), (states, items)) for value in (scores, exact))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("loss", ["sampled_softmax", "gbce", "bce", "bpr"])
@pytest.mark.parametrize("shape", [(40, 12), (12,)], ids=["own negatives", "shared negatives"])
def test_autocast_leaves_sampled_losses_as_they_are(loss: SampledLoss, shape: tuple[int, ...]) -> None:
    """With cosines over 0.05, bfloat16 would move scores by up to 0.06."""
    source = torch.Generator().manual_seed(3)
    states = F.normalize(torch.randn(40, 16, generator=source)).requires_grad_()
    items = (F.normalize(torch.randn(12, 16, generator=source)) / 0.05).requires_grad_()
    targets = torch.randint(12, (40,), generator=source)
    negatives = torch.randint(12, shape, generator=source)
    results = []
    for lower in (False, True):
        with torch.autocast("cpu", torch.bfloat16, lower):
            value = sampled_loss(loss, states, items, targets, negatives)
        results.append((value, *torch.autograd.grad(value, (states, items))))
    for exact, ours in zip(*results, strict=True):
        assert torch.equal(ours, exact)


@pytest.mark.parametrize("n_items", [1, 2, 8, 9, 30])
def test_more_may_be_chosen_than_there_are_items(n_items: int) -> None:
    """A small catalogue with the usual number of negatives: the same items are chosen again and again."""
    torch.manual_seed(0)
    states = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    items = torch.randn(n_items, 4, dtype=torch.float64, requires_grad=True)
    chosen = torch.randint(n_items, (5, 9))
    weights = torch.randn(5, 9, dtype=torch.float64)
    results = []
    for function in (chosen_scores, gathered_scores):
        scores = function(states, items, chosen)
        results.append((scores, *torch.autograd.grad((scores * weights).sum(), (states, items))))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)
