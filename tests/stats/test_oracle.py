import numpy as np
import pytest

from lrbench.stats.oracle import oracle, split_oracle


def test_the_best_depth_of_each_target() -> None:
    # Two depths, one run, three targets, one draw.
    values = np.array([[[[1.0], [0.0], [0.5]]], [[[0.0], [0.5], [0.5]]]])
    assert oracle(values) == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_one_draw_chooses_and_the_other_scores() -> None:
    # Draw 0 prefers depth 0, which draw 1 gives 0.2; draw 1 prefers depth 1, which draw 0 gives 0.4.
    values = np.array([[[[1.0, 0.2]]], [[[0.4, 0.9]]]])
    assert split_oracle(values) == pytest.approx((0.2 + 0.4) / 2)


def test_depths_that_are_equally_good_share_the_choice() -> None:
    values = np.array([[[[1.0, 0.0]]], [[[1.0, 0.6]]]])
    assert split_oracle(values) == pytest.approx((0.3 + 1.0) / 2)


def test_pure_noise_gains_from_choosing_after_the_fact_and_not_from_a_split() -> None:
    values = np.random.default_rng(0).random((9, 2, 4000, 2))
    assert oracle(values) > 0.75
    assert split_oracle(values) == pytest.approx(0.5, abs=0.01)


def test_a_single_draw_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="got 1"):
        split_oracle(np.zeros((2, 1, 3, 1)))
