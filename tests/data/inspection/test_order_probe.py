"""The Markov ranks against a brute-force count, and the probe where the answer is known."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config.protocol import PROTOCOLS, Filters
from lrbench.data.inspection.order_probe import markov_ranks, probe_order
from lrbench.data.sequences import Sequences
from lrbench.data.synthetic.sample import sample_dataset


def sequences(lists, n_items):
    flat = [item for items in lists for item in items]
    return Sequences(np.array(flat, dtype=np.int32), np.cumsum([0, *map(len, lists)]), None, n_items)


def brute_force(lists, n_items):
    train = [items[:-2] if len(items) >= 3 else items for items in lists]
    follows = Counter(pair for items in train for pair in pairwise(items))

    def rank(last, target):
        counts = np.array([follows[last, item] for item in range(n_items)])
        return 1 + (counts > counts[target]).sum() + ((counts == counts[target]).sum() - 1) / 2

    evaluated = [items for items in lists if len(items) >= 3]
    return [rank(items[-3], items[-2]) for items in evaluated] + [
        rank(items[-2], items[-1]) for items in evaluated
    ]


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=12), min_size=1, max_size=10))
def test_ranks_equal_brute_force(lists):
    assert markov_ranks(sequences(lists, 6), PROTOCOLS["loo-50"]).tolist() == brute_force(lists, 6)


def test_a_cycle_is_all_order():
    lists = [[(start + step) % 100 for step in range(20)] for start in range(100)]
    found = probe_order(sequences(lists, 100), PROTOCOLS["loo-50"])
    assert found.recall_at_10 == 1
    assert found.shuffled_recall_at_10 < 0.5
    assert found.ratio > 2


def test_random_order_tells_nothing():
    random = np.random.default_rng(0)
    lists = random.integers(0, 50, (2_000, 10)).tolist()
    found = probe_order(sequences(lists, 50), PROTOCOLS["loo-50"])
    assert found.recall_at_10 == pytest.approx(10 / 50, abs=0.03)
    assert found.ratio == pytest.approx(1, abs=0.15)


def timed(lists, times, n_items):
    plain = sequences(lists, n_items)
    return Sequences(plain.items, plain.offsets, np.array(times, dtype=np.int64).ravel(), n_items)


def test_order_of_ties_is_the_file_s():
    """Neighbours of a cycle at one time each: the file alone has them in order."""
    lists = [[(start + step) % 100 for step in range(20)] for start in range(100)]
    all_tied = probe_order(timed(lists, np.zeros((100, 20)), 100), PROTOCOLS["loo-50"])
    assert all_tied.recall_at_10 == 1
    assert all_tied.ties_shuffled_recall_at_10 < 0.5
    no_tie = probe_order(timed(lists, np.tile(np.arange(20), (100, 1)), 100), PROTOCOLS["loo-50"])
    assert no_tie.ties_shuffled_recall_at_10 == no_tie.recall_at_10 == 1
    assert probe_order(sequences(lists, 100), PROTOCOLS["loo-50"]).ties_shuffled_recall_at_10 is None


def test_nobody_to_evaluate():
    assert probe_order(sequences([[0, 1]], 2), PROTOCOLS["loo-50"]) is None


def test_nothing_hit_has_no_ratio():
    """Each item occurs once, so nothing can be predicted in any order."""
    lists = np.arange(300).reshape(100, 3).tolist()
    found = probe_order(sequences(lists, 300), PROTOCOLS["loo-50"])
    assert found.recall_at_10 == found.shuffled_recall_at_10 == 0
    assert found.ratio is None


def test_the_sample_has_a_sequential_structure():
    assert probe_order(sample_dataset(Filters()).sequences, PROTOCOLS["loo-50"]).ratio > 3
