import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import ttost_paired

from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.equivalence import equivalence
from lrbench.stats.user_metrics import UserMetrics


def test_equal_to_statsmodels_for_paired_users() -> None:
    generator = np.random.default_rng(0)
    first, second = (UserMetrics(generator.normal(1, 0.1, (1, 60)), deterministic=True) for _ in range(2))
    expected = ttost_paired(first.values[0], second.values[0], -0.05, 0.05)[0]
    assert equivalence(crossed(first, second), 0.05).p == pytest.approx(expected)


@given(st.floats(-2, 2), st.floats(0.05, 2), st.floats(2, 50), st.floats(0.1, 3))
def test_equivalent_means_the_90_percent_interval_is_inside(
    difference: float, error: float, df: float, margin: float
) -> None:
    contrast = Contrast("any", difference, error, df)
    low, high = contrast.interval(0.9)
    inside = -margin < low and high < margin
    edge = min(abs(low + margin), abs(high - margin)) < 1e-9
    assert edge or equivalence(contrast, margin).equivalent == inside


def test_not_testable_is_not_equivalent() -> None:
    result = equivalence(Contrast("any", 0.0, reason="too little"), 1.0)
    assert math.isnan(result.p)
    assert not result.equivalent


@given(st.floats(-2, 2), st.floats(0.05, 2), st.floats(2, 50))
def test_the_margin_that_would_have_been_shown_is_the_smallest(
    difference: float, error: float, df: float
) -> None:
    contrast = Contrast("any", difference, error, df)
    shown = equivalence(contrast, 1.0).shown
    assert equivalence(contrast, shown * (1 + 1e-9)).equivalent
    assert not equivalence(contrast, shown * (1 - 1e-9)).equivalent


def test_out_of_reach_even_without_any_difference() -> None:
    assert equivalence(Contrast("any", 0.0, 1.0, 10.0), 1.8).out_of_reach
    assert not equivalence(Contrast("any", 5.0, 1.0, 10.0), 1.9).out_of_reach
