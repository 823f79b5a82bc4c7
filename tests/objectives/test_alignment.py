"""Alignment of two views, on cases worked by hand."""

import math

import pytest
import torch

from lrbench.objectives.alignment import info_nce, nt_xent, symmetric_info_nce

VIEW = torch.tensor([[1.0, 0.0], [0.0, 2.0]])


def test_dot_by_hand() -> None:
    # Similarities of the view with itself: [[1, 0], [0, 4]]; the two directions are equal.
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-4))) / 2
    assert symmetric_info_nce(VIEW, VIEW, "dot", 1.0).item() == pytest.approx(expected)


def test_directions_differ_and_are_averaged() -> None:
    first, second = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [1.0]])
    # Similarities [[3, 1], [6, 2]]: by rows, then by columns.
    by_rows = (math.log(1 + math.exp(1 - 3)) + math.log(1 + math.exp(6 - 2))) / 2
    by_columns = (math.log(1 + math.exp(6 - 3)) + math.log(1 + math.exp(1 - 2))) / 2
    actual = symmetric_info_nce(first, second, "dot", 1.0).item()
    assert actual == pytest.approx((by_rows + by_columns) / 2)


def test_cosine_ignores_length_and_the_temperature_divides() -> None:
    expected = math.log(1 + math.exp(-1 / 0.5))
    assert symmetric_info_nce(VIEW, 7 * VIEW, "cos", 0.5).item() == pytest.approx(expected)


def test_excluded_rows_are_no_negatives() -> None:
    source = torch.Generator().manual_seed(0)
    first, second = torch.randn(3, 4, generator=source), torch.randn(3, 4, generator=source)
    excluded = torch.zeros(3, 3, dtype=torch.bool)
    excluded[0, 1] = excluded[1, 0] = True
    similarities = first @ second.T
    kept = {0: [0, 2], 1: [1, 2], 2: [0, 1, 2]}
    terms = []
    for scores in (similarities, similarities.T):
        terms += [scores[row, columns].logsumexp(0) - scores[row, row] for row, columns in kept.items()]
    actual = symmetric_info_nce(first, second, "dot", 1.0, excluded)
    torch.testing.assert_close(actual, torch.stack(terms).mean())


def test_no_negatives_no_loss() -> None:
    assert symmetric_info_nce(VIEW[:1], VIEW[1:], "dot", 1.0).item() == 0
    excluded = ~torch.eye(2, dtype=torch.bool)
    first = VIEW.clone().requires_grad_()
    loss = symmetric_info_nce(first, VIEW, "dot", 1.0, excluded)
    loss.backward()
    assert loss.item() == 0
    assert first.grad is not None
    assert not first.grad.any()


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_those_of_the_two_cross_entropies(weighted: bool) -> None:
    source = torch.Generator().manual_seed(0)
    views = [torch.randn(5, 4, generator=source, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    excluded = torch.zeros(5, 5, dtype=torch.bool)
    excluded[0, 3] = excluded[3, 0] = True
    weights = torch.tensor([0.1, 0.4, 0.0, 0.2, 0.3]) if weighted else None
    similarities = (views[0] / 0.3 @ views[1].T).masked_fill(excluded, -torch.inf)
    expected = (info_nce(similarities, weights) + info_nce(similarities.T, weights)) / 2
    actual = symmetric_info_nce(*views, "dot", 0.3, excluded, weights)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(torch.autograd.grad(actual, views), torch.autograd.grad(expected, views))


def test_both_views_at_once_by_hand() -> None:
    """The rows are 2 and 0 in one view, 1 and 4 in the other; half of a product is a similarity."""
    first, second = torch.tensor([[2.0], [0.0]]), torch.tensor([[1.0], [4.0]])
    terms = [  # the positive is named last; no row is compared with itself
        math.log(math.exp(0) + math.exp(4) + math.exp(1)) - 1,
        math.log(3),
        math.log(math.exp(0) + math.exp(2) + math.exp(1)) - 1,
        math.log(math.exp(4) + math.exp(2) + math.exp(0)),
    ]
    assert nt_xent(first, second, "dot", 2.0).item() == pytest.approx(sum(terms) / 4)


def test_both_views_at_once_with_cosines_and_excluded_rows() -> None:
    """Cosines are 1 with the positive and 0 with all others: two of them for rows 0 and 1, four for row 2."""
    view, excluded = torch.eye(3), torch.zeros(3, 3, dtype=torch.bool)
    excluded[0, 1] = excluded[1, 0] = True
    expected = (2 * math.log(math.e + 2) + math.log(math.e + 4)) / 3 - 1
    assert nt_xent(2 * view, 7 * view, "cos", 1.0, excluded).item() == pytest.approx(expected)
