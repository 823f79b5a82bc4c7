import numpy as np
import pytest
import scipy.stats

from lrbench.stats.trend import depth_trend
from lrbench.stats.user_metrics import UserMetrics


def test_a_straight_line_in_the_logarithm_has_its_slope() -> None:
    generator = np.random.default_rng(0)
    start = generator.random((4, 20))
    slope = 0.03 + generator.normal(0, 0.01, (4, 20))
    by_depth = {depth: UserMetrics(start + slope * np.log2(depth)) for depth in (1, 2, 4, 8)}
    result = depth_trend(by_depth)
    assert result.test == "trend"
    assert result.difference == pytest.approx(slope.mean())


def test_equal_to_least_squares_of_the_means() -> None:
    generator = np.random.default_rng(1)
    depths = (0, 1, 3, 6)
    by_depth = {depth: UserMetrics(generator.random((3, 10))) for depth in depths}
    expected = scipy.stats.linregress(np.log2([1, 3, 6]), [by_depth[depth].mean for depth in (1, 3, 6)])
    assert depth_trend(by_depth).difference == pytest.approx(expected.slope)


def test_noise_without_a_trend_is_not_significant_and_one_with_a_trend_is() -> None:
    generator = np.random.default_rng(2)
    flat = {depth: UserMetrics(generator.normal(1, 0.1, (5, 200))) for depth in (1, 2, 4, 8)}
    rising = {depth: UserMetrics(flat[depth].values + 0.02 * np.log2(depth)) for depth in flat}
    assert depth_trend(flat).p > 0.05
    assert depth_trend(rising).p < 0.001


def test_one_depth_has_no_slope() -> None:
    one = UserMetrics(np.ones((3, 4)))
    with pytest.raises(ValueError, match="two depths"):
        depth_trend({0: one, 4: one})


def test_too_few_seeds_is_data() -> None:
    generator = np.random.default_rng(3)
    assert not depth_trend({depth: UserMetrics(generator.random((2, 9))) for depth in (1, 2)}).testable
