import math

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.prediction import prediction_interval


def test_by_hand() -> None:
    """Three runs: t with 2 degrees of freedom is 4.3027, times √(4/3)."""
    low, high = prediction_interval(0.2, 0.01, 3)
    assert high - 0.2 == pytest.approx(0.2 - low)
    assert high - 0.2 == pytest.approx(0.01 * 4.30265 * math.sqrt(4 / 3), rel=1e-5)


def test_the_next_run_falls_inside_in_95_per_cent() -> None:
    runs = np.random.default_rng(0).normal(size=(2000, 4))
    inside = 0
    for row in runs:
        low, high = prediction_interval(row[:3].mean(), row[:3].std(ddof=1), 3)
        inside += low <= row[3] <= high
    low, high = scipy.stats.binom(2000, 0.95).interval(0.999)
    assert low <= inside <= high


def test_one_run_predicts_nothing() -> None:
    assert math.isnan(prediction_interval(0.2, 0.0, 1)[0])
