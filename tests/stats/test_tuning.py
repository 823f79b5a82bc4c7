import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lrbench.stats.tuning import expected_best


def test_two_trials_by_hand() -> None:
    found = expected_best(np.array([2.0, 1.0]))
    # One draw: 1 or 2. Two draws: 1 only if both are 1, a chance of 1/4.
    assert found.mean == pytest.approx([1.5, 1.75])
    spread = np.sqrt([0.25, 0.1875])
    assert found.low == pytest.approx(found.mean - spread)
    assert found.high == pytest.approx([2.0, 2.0])  # the second would be 2.18: no trial was that good


def test_three_trials_as_all_draws_give() -> None:
    values = np.array([0.1, 0.4, 0.2])
    for count in (1, 2, 3):
        best = [max(draw) for draw in itertools.product(values, repeat=count)]
        found = expected_best(values)
        assert found.mean[count - 1] == pytest.approx(np.mean(best))
        assert found.low[count - 1] == pytest.approx(max(0.1, np.mean(best) - np.std(best)))


def test_a_first_trial_that_is_not_random_is_the_least_that_is_found() -> None:
    found = expected_best(np.array([0.1, 0.5]), first=0.3)
    assert found.mean == pytest.approx([0.3, 0.4, (0.3 + 3 * 0.5) / 4])
    assert found.low[0] == found.high[0] == 0.3
    assert expected_best(np.array([]), first=0.3).mean.tolist() == [0.3]


def test_equal_values_leave_no_band() -> None:
    found = expected_best(np.full(4, 0.3))
    for line in (found.mean, found.low, found.high):
        assert line == pytest.approx([0.3] * 4)


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_more_trials_are_never_worse_and_the_band_holds_the_mean(values: np.ndarray) -> None:
    found = expected_best(values)
    assert found.mean[0] == pytest.approx(values.mean())
    assert (np.diff(found.mean) >= -1e-12).all()
    assert (found.low <= found.mean + 1e-12).all()
    assert (found.mean <= found.high + 1e-12).all()
    assert (found.high <= values.max() + 1e-12).all()
