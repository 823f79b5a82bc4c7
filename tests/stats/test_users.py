import warnings

import numpy as np
import pytest
import scipy.stats
from matrices import model

from lrbench.stats.user_metrics import UserMetrics
from lrbench.stats.users import paired_users, sign_flip


def single(*values: float) -> UserMetrics:
    return UserMetrics(np.array([values]))


def test_paired_t_equals_scipy_on_means_over_runs() -> None:
    generator = np.random.default_rng(0)
    first, second = model(generator), model(generator, seeds=2)
    expected = scipy.stats.ttest_rel(first.values.mean(axis=0), second.values.mean(axis=0))
    result = paired_users(first, second)
    assert (result.t, result.p, result.df) == pytest.approx(
        (expected.statistic, expected.pvalue, expected.df)
    )


def test_equal_models_are_not_testable() -> None:
    result = paired_users(single(0.1, 0.2), single(0.1, 0.2))
    assert (result.testable, result.constant) == (False, True)


def test_a_gain_that_differs_by_rounding_alone_is_not_testable() -> None:
    first = model(np.random.default_rng(1))
    result = paired_users(UserMetrics(first.values + 0.1), first)
    assert (result.testable, result.constant) == (False, True)


def test_sign_flip_close_to_the_exact_permutation() -> None:
    generator = np.random.default_rng(5)
    first, second = UserMetrics(generator.random((1, 10)) + 0.2), UserMetrics(generator.random((1, 10)))
    exact = scipy.stats.permutation_test(
        (first.values[0], second.values[0]),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    estimate = sign_flip(first, second, np.random.default_rng(0), draws=20_000)
    assert estimate == pytest.approx(exact.pvalue, abs=4 * np.sqrt(exact.pvalue / 20_000))


def test_sign_flip_counts_sums_that_equal_the_observed_one_but_for_rounding() -> None:
    """All of 7 signs must agree to reach the observed sum: 2 of 128 ways."""
    pair = single(0.5, 0.5, 0.7, 0.9, 0.1, 0.2, 0.8), single(*np.zeros(7))
    estimate = sign_flip(*pair, np.random.default_rng(0), draws=20_000)
    assert estimate == pytest.approx(2 / 128, abs=0.003)


def test_sign_flip_never_reaches_zero() -> None:
    clear = single(*np.linspace(1, 2, 64)), single(*np.zeros(64))
    assert sign_flip(*clear, np.random.default_rng(0), draws=99) == pytest.approx(1 / 100)


def test_sign_flip_of_equal_models_is_one() -> None:
    assert sign_flip(single(0.1, 0.4), single(0.1, 0.4), np.random.default_rng(0), draws=10) == 1


def test_one_user_is_data_without_a_warning() -> None:
    one = UserMetrics(np.array([[0.5]]), deterministic=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paired_users(one, one).reason == "1 user, but a test needs at least 2"
