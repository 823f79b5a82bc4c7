import math

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.friedman import friedman, nemenyi_difference


def test_statistic_from_the_chi_squared_of_scipy() -> None:
    values = np.random.default_rng(0).random((8, 4)) + np.array([0.0, 0.1, 0.3, 0.5])
    chi_squared = scipy.stats.friedmanchisquare(*values.T).statistic
    expected = 7 * chi_squared / (8 * 3 - chi_squared)  # Iman & Davenport 1980
    result = friedman(values)
    assert result.statistic == pytest.approx(expected)
    assert result.p == pytest.approx(scipy.stats.f.sf(expected, 3, 21))


def test_ties_as_in_scipy() -> None:
    values = np.round(np.random.default_rng(1).random((10, 3)), 1)
    chi_squared = scipy.stats.friedmanchisquare(*values.T).statistic
    assert friedman(values).statistic == pytest.approx(9 * chi_squared / (20 - chi_squared))


def test_always_the_same_order() -> None:
    result = friedman(np.tile([0.3, 0.1, 0.2], (6, 1)))
    assert result.mean_ranks.tolist() == [1, 3, 2]
    assert result.p == 0


def test_no_difference_anywhere() -> None:
    assert friedman(np.ones((6, 3))).p == pytest.approx(1)


@pytest.mark.parametrize(("models", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_by_the_table_of_demsar(models: int, quantile: float) -> None:
    expected = quantile * math.sqrt(models * (models + 1) / (6 * 14))
    assert nemenyi_difference(models, 14) == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize("shape", [(5, 4), (6, 2)])
def test_too_little_is_data(shape: tuple[int, int]) -> None:
    result = friedman(np.random.default_rng(2).random(shape))
    assert result.reason
    assert math.isnan(result.p)
    assert result.mean_ranks.mean() == pytest.approx((shape[1] + 1) / 2)
