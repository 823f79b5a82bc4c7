"""Traits of lists, worked out by hand."""

import numpy as np
import pytest

from lrbench.stats.lists import coverage, mean_popularity, overlap

LISTS = np.array([[0, 1], [1, 3], [4, -1]])
COUNTS = np.array([10, 4, 100, 2, 1])
NONE = np.full((2, 3), -1)


def test_coverage_counts_every_item_once() -> None:
    assert coverage(LISTS, 5) == 4 / 5
    assert coverage(NONE, 5) == 0


def test_popularity_is_the_mean_over_lists_of_their_means() -> None:
    assert mean_popularity(LISTS, COUNTS) == pytest.approx(((10 + 4) / 2 + (4 + 2) / 2 + 1) / 3)
    assert np.isnan(mean_popularity(NONE, COUNTS))


def test_overlap_takes_items_in_any_order() -> None:
    assert overlap(LISTS, LISTS) == 1
    others = np.array([[1, 0], [2, 1], [3, -1]])
    assert overlap(LISTS, others) == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert np.isnan(overlap(NONE, NONE))
