import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.errors import RequestError
from lrbench.metrics import metric_function, mrr, ndcg, recall

RANKS = np.array([1.0, 2.5, 10.0, 10.5, 40.0])


def test_values_worked_by_hand() -> None:
    np.testing.assert_array_equal(recall(RANKS, 10), [1, 1, 1, 0, 0])
    np.testing.assert_allclose(ndcg(RANKS, 10), [1, 1 / np.log2(3.5), 1 / np.log2(11), 0, 0])
    np.testing.assert_allclose(mrr(RANKS), [1, 0.4, 0.1, 1 / 10.5, 0.025])


def test_names_lead_to_functions() -> None:
    np.testing.assert_array_equal(metric_function("recall@2")(RANKS), recall(RANKS, 2))
    np.testing.assert_array_equal(metric_function("ndcg@20")(RANKS), ndcg(RANKS, 20))
    np.testing.assert_array_equal(metric_function("mrr")(RANKS), mrr(RANKS))


@pytest.mark.parametrize(
    "name",
    ["ndcg@0", "hit@10", "recall@ten", "ndcg@²", "ndcg@010", "ndcg@" + "9" * 5000],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="Unknown metric"):
        metric_function(name)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("ndcg", "Write ndcg@10"), ("recall@", "Write recall@10"), ("mrr@10", "Write mrr.")],
)
def test_a_cut_off_that_is_missing_or_too_much_is_named(name: str, remedy: str) -> None:
    with pytest.raises(RequestError, match="cut-off") as caught:
        metric_function(name)
    assert caught.value.remedy.startswith(remedy)


def test_ties_worked_by_hand() -> None:
    """Items above the target, and level with it: 9 and 1, 5 and 8, 0 and 19, 0 and 1, 3 and 0."""
    ranks, ties = np.array([10.5, 10.0, 10.5, 1.5, 4.0]), np.array([1, 8, 19, 1, 0])
    np.testing.assert_allclose(recall(ranks, 10, ties), [0.5, 5 / 9, 0.5, 1, 1])
    np.testing.assert_allclose(ndcg(ranks, 10, ties), [0.1445, 0.1772, 0.2272, 0.8155, 0.4307], atol=5e-5)
    np.testing.assert_allclose(mrr(ranks, ties), [0.0955, 0.1076, 0.1799, 0.75, 0.25], atol=5e-5)


NAMES = ("recall@1", "recall@10", "ndcg@3", "ndcg@10", "mrr")


@given(above=st.integers(0, 15), ties=st.integers(0, 6))
def test_a_tie_earns_the_mean_over_every_order_of_the_tied(above: int, ties: int) -> None:
    rank = np.array([1 + above + ties / 2])
    places = above + 1.0 + np.arange(ties + 1)
    for name in NAMES:
        metric = metric_function(name)
        assert metric(rank, np.array([ties]))[0] == pytest.approx(metric(places).mean())


@given(items=st.integers(1, 2000))
def test_a_constant_scorer_earns_exactly_chance(items: int) -> None:
    """Chance is the metric's mean over all ranks that a random order could give the target."""
    rank, ties = np.full(3, (items + 1) / 2), np.full(3, items - 1)
    for name in NAMES:
        metric = metric_function(name)
        chance = metric(np.arange(1, items + 1)).mean()
        np.testing.assert_allclose(metric(rank, ties), chance, rtol=1e-12)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=6))
def test_metrics_of_all_targets_add_up_to_those_of_any_order(scores: list[int]) -> None:
    """Over all items as targets, breaking ties can only move gain from one item to another."""
    greater = np.array([sum(other > score for other in scores) for score in scores])
    ties = np.array([scores.count(score) - 1 for score in scores])
    for name in NAMES:
        metric = metric_function(name)
        whole = metric(1 + greater + ties / 2, ties).sum()
        for order in itertools.islice(itertools.permutations(range(len(scores))), 3):
            ranked = sorted(order, key=lambda item: -scores[item])
            assert whole == pytest.approx(metric(np.arange(1, len(ranked) + 1)).sum())


def test_no_ties_give_the_values_of_plain_ranks_to_the_last_bit() -> None:
    ranks = np.array([1.0, 2, 10, 11, 40])
    for name in NAMES:
        metric = metric_function(name)
        np.testing.assert_array_equal(metric(ranks, np.zeros(5, dtype=int)), metric(ranks))
