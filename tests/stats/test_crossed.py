import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from matrices import model, pairs, shared_luck

from lrbench.stats.contrast import NO_VARIATION
from lrbench.stats.crossed import CROSSED, PAIRED, crossed
from lrbench.stats.user_metrics import UserMetrics


def test_hand_worked_case() -> None:
    # A is additive, so it has no residual: v_A = 1/3. B: seed means 0, 0, 1.5, so v_B = 1/4; residual
    # mean square 3/2 over 6 cells = 1/4. Users differ by 1 and 2: v_U = 1/4. v = 1/3 + 1/4 + 1/4 - 1/4.
    first = UserMetrics(np.array([[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]))
    second = UserMetrics(np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 3.0]]))
    result = crossed(first, second)
    assert result.difference == pytest.approx(1.5)
    assert result.standard_error == pytest.approx(math.sqrt(7 / 12))
    assert result.df == pytest.approx(98 / 43)
    assert result.p == pytest.approx(2 * scipy.stats.t.sf(1.5 / math.sqrt(7 / 12), 98 / 43))


def test_variance_is_never_below_its_largest_source() -> None:
    # Residuals of both are large, and users are alike: v_A + v_B + v_U - v_R is less than v_A + v_B.
    generator = np.random.default_rng(3)
    for _ in range(200):
        first, second = (UserMetrics(generator.normal(size=(3, 4))) for _ in range(2))
        seeds = sum(metrics.seed_means.var(ddof=1) / 3 for metrics in (first, second))
        users = (first.user_means - second.user_means).var(ddof=1) / 4
        assert crossed(first, second).standard_error ** 2 >= max(seeds, users) * (1 - 1e-12)


def test_is_welch_where_users_do_not_vary() -> None:
    first = UserMetrics(np.repeat([[1.0], [1.4], [1.1], [1.3]], 6, axis=1))
    second = UserMetrics(np.repeat([[0.9], [1.0], [1.2]], 6, axis=1))
    expected = scipy.stats.ttest_ind(first.seed_means, second.seed_means, equal_var=False)
    result = crossed(first, second)
    assert (result.t, result.p, result.df) == pytest.approx(
        (expected.statistic, expected.pvalue, expected.df)
    )


def test_is_the_paired_user_test_for_two_deterministic_models() -> None:
    generator = np.random.default_rng(1)
    first, second = (UserMetrics(generator.random((1, 50)), deterministic=True) for _ in range(2))
    expected = scipy.stats.ttest_rel(first.values[0], second.values[0])
    result = crossed(first, second)
    assert (result.t, result.p, result.df) == pytest.approx((expected.statistic, expected.pvalue, 49))
    assert result.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_deterministic_baseline_drops_out_of_variance_and_df() -> None:
    generator = np.random.default_rng(2)
    trained = model(generator, seeds=4, users=30)
    fixed = UserMetrics(generator.random((1, 30)), deterministic=True)
    seed = trained.seed_means.var(ddof=1) / 4
    user = (trained.user_means - fixed.values[0]).var(ddof=1) / 30
    centred = trained.values - trained.seed_means[:, None] - trained.user_means + trained.mean
    residual = (centred**2).sum() / (3 * 29) / (4 * 30)
    variance = max(seed + user - residual, seed, user)
    result = crossed(trained, fixed)
    assert result.standard_error**2 == pytest.approx(variance)
    assert result.df == pytest.approx(variance**2 / (seed**2 / 3 + user**2 / 29))


def test_too_few_seeds_is_data() -> None:
    generator = np.random.default_rng(4)
    result = crossed(model(generator, seeds=2, users=10), model(generator, seeds=5, users=10))
    assert not result.testable
    assert result.reason == "2 seeds, but a test needs at least 3"
    assert math.isnan(result.p)
    assert math.isfinite(result.difference)


def test_no_variation_is_data() -> None:
    same = UserMetrics(np.full((1, 5), 0.25), deterministic=True)
    assert not crossed(same, same).testable


def test_variation_that_comes_from_rounding_is_none() -> None:
    first = model(np.random.default_rng(6), 3, 20)
    result = crossed(UserMetrics(first.values + 0.1), first, paired=True)
    assert (result.reason, result.constant) == (NO_VARIATION, True)
    assert result.difference == pytest.approx(0.1)


def test_refuses_different_users() -> None:
    with pytest.raises(ValueError, match="got 3 and 4"):
        crossed(UserMetrics(np.ones((3, 3))), UserMetrics(np.ones((3, 4))))


@given(pairs())
def test_antisymmetric(pair: tuple[UserMetrics, UserMetrics]) -> None:
    forth, back = crossed(*pair), crossed(*reversed(pair))
    assert forth.difference == pytest.approx(-back.difference)
    assert (forth.p, forth.df) == pytest.approx((back.p, back.df))
    assert forth.interval() == pytest.approx(tuple(-end for end in reversed(back.interval())))


@given(pairs(), st.floats(1e-3, 1e3))
def test_scale_equivariant(pair: tuple[UserMetrics, UserMetrics], factor: float) -> None:
    plain, scaled = crossed(*pair), crossed(*(metrics.scaled(factor) for metrics in pair))
    assert scaled.difference == pytest.approx(factor * plain.difference)
    assert scaled.standard_error == pytest.approx(factor * plain.standard_error)
    assert (scaled.p, scaled.df) == pytest.approx((plain.p, plain.df))


@given(pairs(), st.permutations(range(3)))
def test_order_of_users_and_seeds_does_not_matter(
    pair: tuple[UserMetrics, UserMetrics], order: list[int]
) -> None:
    first, second = pair
    users = np.random.default_rng(0).permutation(first.users)
    rows = [*order, *range(3, first.seeds)]
    mixed = crossed(UserMetrics(first.values[rows][:, users]), UserMetrics(second.values[:, users]))
    assert mixed.p == pytest.approx(crossed(first, second).p)


def test_one_user_is_data() -> None:
    one = UserMetrics(np.array([[0.1], [0.2], [0.3]]))
    result = crossed(one, one.scaled(2))
    assert (result.reason, result.constant) == ("1 user, but a test needs at least 2", False)


def test_paired_runs_are_a_test_of_their_differences() -> None:
    first, second = shared_luck(np.random.default_rng(0))
    result = crossed(first, second, paired=True)
    against_zero = crossed(UserMetrics(first.values - second.values), UserMetrics.zero(first.users))
    assert (result.test, against_zero.test) == (PAIRED, CROSSED)
    assert (result.paired, against_zero.paired) == (True, False)
    assert (result.difference, result.standard_error, result.df) == pytest.approx(
        (against_zero.difference, against_zero.standard_error, against_zero.df)
    )


def test_pairing_finds_what_shared_luck_hides() -> None:
    first, second = shared_luck(np.random.default_rng(1), gap=0.05)
    assert crossed(first, second).p > 0.05
    assert crossed(first, second, paired=True).p < 0.05


def test_paired_runs_keep_their_level() -> None:
    generator = np.random.default_rng(2)
    false = sum(crossed(*shared_luck(generator), paired=True).p <= 0.05 for _ in range(400))
    assert 4 <= false <= scipy.stats.binom(400, 0.05).ppf(0.999)


def test_runs_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(ValueError, match="the same runs"):
        crossed(UserMetrics(np.ones((3, 3))), UserMetrics(np.ones((4, 3))), paired=True)
