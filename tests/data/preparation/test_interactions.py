"""Order, repeats and k-core against naive references, on whatever hypothesis makes up."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.data.preparation.interactions import first_of_pairs, time_order
from lrbench.data.preparation.k_core import k_core

codes = st.integers(0, 7)
pairs = st.lists(st.tuples(codes, codes), max_size=60)
far_times = st.integers(-(2**62), 2**62)
near_times = st.integers(0, 3)


def arrays(rows, width=2):
    table = np.array(rows, dtype=np.int64).reshape(-1, width)
    return [table[:, column].astype(np.int32) for column in range(width)]


def naive_core(rows, k):
    """Remove the rows of one user or item with too few rows at a time, the first that is found."""
    kept = list(enumerate(rows))
    while True:
        users, items = Counter(u for _, (u, _) in kept), Counter(i for _, (_, i) in kept)
        short = next((("u", u) for u in users if users[u] < k), None) or next(
            (("i", i) for i in items if items[i] < k), None
        )
        if short is None:
            return [index for index, _ in kept]
        side = 0 if short[0] == "u" else 1
        kept = [(index, row) for index, row in kept if row[side] != short[1]]


@given(pairs, st.integers(0, 5))
def test_core_equals_removal_one_at_a_time(rows, k):
    assert k_core(*arrays(rows), k).tolist() == naive_core(rows, k)


@given(pairs, st.integers(1, 5))
def test_core_is_a_fixed_point_in_which_nobody_falls_short(rows, k):
    users, items = arrays(rows)
    kept = k_core(users, items, k)
    assert len(k_core(users[kept], items[kept], k)) == len(kept)
    for side in (users[kept], items[kept]):
        assert (np.bincount(side)[side] >= k).all()


@given(pairs, st.integers(1, 4), st.randoms(use_true_random=False))
def test_core_does_not_depend_on_the_order_of_rows(rows, k, random):
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)
    kept = k_core(*arrays([rows[index] for index in shuffled]), k)
    assert sorted(shuffled[index] for index in kept) == k_core(*arrays(rows), k).tolist()


def test_core_by_hand():
    """A chain: item 2 has one row. Without it user 1 has one, and then item 1 has one. Nothing is left."""
    rows = [(0, 0), (0, 1), (1, 1), (1, 2)]
    assert k_core(*arrays(rows), 2).tolist() == []
    assert k_core(*arrays([*rows, (1, 0)]), 2).tolist() == [0, 1, 2, 4]


@given(st.lists(st.tuples(codes, st.one_of(near_times, far_times)), max_size=60))
def test_order_is_stable_by_user_then_time(rows):
    """Near times are packed into one key, far ones are not; both equal Python's stable sort."""
    users = np.array([user for user, _ in rows], dtype=np.int32)
    times = np.array([time for _, time in rows], dtype=np.int64)
    assert time_order(users, times).tolist() == sorted(range(len(rows)), key=lambda row: rows[row])
    assert time_order(users, None).tolist() == sorted(range(len(rows)), key=lambda row: rows[row][0])


@pytest.mark.parametrize("bits", [31, 40, 60])
def test_packed_and_two_column_sorts_are_equal_on_many_ties(bits):
    random = np.random.default_rng(0)
    users = random.integers(0, 300, 200_000).astype(np.int32)
    times = random.integers(0, 50, 200_000) << (bits - 6)
    assert np.array_equal(time_order(users, times), np.lexsort((times, users)))


@given(pairs)
def test_first_of_pairs(rows):
    seen: set[tuple[int, int]] = set()
    expected = [index for index, row in enumerate(rows) if not (row in seen or seen.add(row))]
    assert first_of_pairs(*arrays(rows)).tolist() == expected
