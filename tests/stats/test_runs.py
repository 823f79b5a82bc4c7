import math

import numpy as np
import pytest
from matrices import model

from lrbench.stats.crossed import crossed
from lrbench.stats.runs import collapsed_runs, leave_one_run_out
from lrbench.stats.user_metrics import UserMetrics


@pytest.mark.parametrize(
    ("means", "places"),
    [
        ([0.10, 0.101, 0.05, 0.099, 0.1], [2]),
        ([0.10, 0.101, 0.04], [2]),
        ([0.10, 0.101, 0.09], []),  # many median deviations lower, but only a tenth of the median
        ([0.10, 0.08, 0.06, 0.04], []),
        ([0.0607, 0.0453, 0.0619, 0.0462, 0.0617, 0.0451, 0.0629, 0.0457, 0.0594, 0.0449], [1, 3, 5, 7, 9]),
        ([0.0431, 0.0544, 0.0434, 0.0562, 0.044, 0.0542, 0.0441, 0.0537, 0.054, 0.0544], [0, 2, 4, 6]),
        ([0.10, 0.101, 0.05, 0.051, 0.05], []),  # most are low: these are what the label gives
        ([0.10, 0.101, 0.09, 0.091], []),  # two groups, but a tenth apart
        ([0.10, 0.12, 0.14, 0.07, 0.08], []),  # a gap, but no wider than the groups
        ([0.10, 0.12, 0.13, 0.05, 0.06], []),  # a gap that is wider, but not twice as wide
        ([0.10, 0.101, 0.085], []),  # far enough for one of two groups, but it is a single run
        ([0.10, 0.101, 0.3], []),
        ([0.1, 0.0], []),
        ([], []),
    ],
)
def test_runs_far_below_the_others(means: list[float], places: list[int]) -> None:
    assert collapsed_runs(np.array(means)) == places


def test_without_each_run_of_each_model() -> None:
    first, second = model(np.random.default_rng(0), 4, 30, 0.3), model(np.random.default_rng(1), 5, 30)
    contrasts = [crossed(UserMetrics(np.delete(first.values, run, 0)), second) for run in range(4)]
    contrasts += [crossed(first, UserMetrics(np.delete(second.values, run, 0))) for run in range(5)]
    result = leave_one_run_out(first, second, paired=False)
    assert result.low == min(contrast.difference for contrast in contrasts)
    assert result.high == max(contrast.difference for contrast in contrasts)
    assert result.largest_p == max(contrast.p for contrast in contrasts)


def test_paired_runs_leave_together() -> None:
    first, second = model(np.random.default_rng(0), 4, 30), model(np.random.default_rng(1), 4, 30)
    gaps = [np.delete(first.values - second.values, run, 0).mean() for run in range(4)]
    result = leave_one_run_out(first, second, paired=True)
    assert (result.low, result.high) == pytest.approx((min(gaps), max(gaps)))


def test_three_runs_give_a_range_without_a_test() -> None:
    fixed = UserMetrics(np.ones((1, 30)), deterministic=True)
    result = leave_one_run_out(model(np.random.default_rng(0), 3, 30), fixed, paired=False)
    assert result.low < result.high
    assert math.isnan(result.largest_p)
    assert math.isnan(leave_one_run_out(fixed, fixed, paired=False).low)
    four, three = model(np.random.default_rng(0), 4, 30), model(np.random.default_rng(1), 3, 30)
    assert math.isnan(leave_one_run_out(four, three, paired=False).largest_p)
