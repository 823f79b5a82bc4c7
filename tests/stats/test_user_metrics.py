import numpy as np
import pytest

from lrbench.stats.user_metrics import UserMetrics


def test_means_and_spread_by_hand() -> None:
    metrics = UserMetrics(np.array([[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]))
    assert metrics.seed_means.tolist() == [1, 2, 3]
    assert metrics.user_means.tolist() == [1, 3]
    assert (metrics.mean, metrics.seed_sd) == (2, 1)


def test_spread_of_one_run_is_unknown_but_of_a_deterministic_model_zero() -> None:
    row = np.ones((1, 4))
    assert np.isnan(UserMetrics(row).seed_sd)
    assert UserMetrics(row, deterministic=True).seed_sd == 0
    assert UserMetrics(row).few_seeds
    assert not UserMetrics(row, deterministic=True).few_seeds


@pytest.mark.parametrize("values", [np.ones(3), np.ones((0, 3)), np.array([[1.0, np.nan]])])
def test_refuses_what_is_no_finite_matrix(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"matrix|finite"):
        UserMetrics(values)


def test_refuses_a_deterministic_model_with_two_runs() -> None:
    with pytest.raises(ValueError, match="one row, not 2"):
        UserMetrics(np.ones((2, 3)), deterministic=True)


def test_a_deterministic_model_keeps_its_run_and_a_difference_is_so_only_if_both_models_are() -> None:
    fixed, trained = UserMetrics(np.array([[1.0, 2.0, 4.0]]), True), UserMetrics(np.ones((1, 3)))
    assert fixed.only([2, 3], np.array([0, 2])).values.tolist() == [[1, 4]]
    assert UserMetrics(np.arange(6.0).reshape(3, 2)).only([2, 0]).values.tolist() == [[4, 5], [0, 1]]
    assert fixed.minus(fixed).deterministic
    assert not fixed.minus(trained).deterministic
