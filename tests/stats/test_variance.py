import math

import numpy as np
import pytest
from hypothesis import given
from matrices import model, pairs, shared_luck

from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics
from lrbench.stats.variance import RunSource, Sources, sources_of


def test_hand_worked_shares() -> None:
    """v_A = 1/3 and v_B = 1/4 with residual 1/4, v_U = 1/4, so the whole is 7/12: 0, 4/7 and 3/7 of it."""
    first = UserMetrics(np.array([[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]))
    second = UserMetrics(np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 3.0]]))
    shares = sources_of(first, second).shares
    assert (shares.users, shares.runs, shares.users_runs) == pytest.approx((0, 4 / 7, 3 / 7))


@given(pairs())
def test_shares_add_up_and_the_test_uses_the_same_sources(pair: tuple[UserMetrics, UserMetrics]) -> None:
    sources = sources_of(*pair)
    shares = sources.shares
    assert math.isnan(shares.users) or shares.users + shares.runs + shares.users_runs == pytest.approx(1)
    contrast = crossed(*pair)
    assert (contrast.standard_error**2, contrast.df) == pytest.approx((sources.variance, sources.df))


def test_shared_luck_shows_in_a_variance_over_users_that_is_too_small() -> None:
    generator = np.random.default_rng(0)
    assert sources_of(*shared_luck(generator)).dependent
    assert not any(
        sources_of(model(generator, 3, 500), model(generator, 3, 500)).dependent for _ in range(100)
    )


def test_users_that_vary_less_than_a_run_does_leave_no_negative_variance() -> None:
    sources = Sources(users=0.1, df_users=9, runs=(RunSource(3, 0.4, 0.3),))
    many = sources.with_seeds(30)
    assert many.users == pytest.approx(0.03)  # a tenth of users × runs, and no users × models
    assert (many.runs[0].total, many.runs[0].residual) == pytest.approx((0.04, 0.03))


def test_more_seeds_shrink_all_but_users() -> None:
    sources = sources_of(model(np.random.default_rng(1), 3, 80), model(np.random.default_rng(2), 5, 80))
    many = sources.with_seeds(10**6)
    assert many.variance == pytest.approx(max(sources.users - sources.residual, 0), rel=1e-3, abs=1e-9)
    assert many.df > sources.df
    same = sources_of(model(np.random.default_rng(1), 4, 80), model(np.random.default_rng(2), 4, 80))
    assert same.with_seeds(4).estimate == pytest.approx(same.estimate)
