import numpy as np
import pytest
from matrices import model

from lrbench.stats.bootstrap import bootstrap_interval, two_level_bootstrap
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics


def test_close_to_the_crossed_interval_with_many_runs() -> None:
    generator = np.random.default_rng(0)
    first, second = model(generator, 30, 300, shift=0.1), model(generator, 30, 300)
    differences = two_level_bootstrap(first, second, generator, draws=4000)
    contrast = crossed(first, second)
    assert differences.mean() == pytest.approx(contrast.difference, abs=0.1 * contrast.standard_error)
    # Resampling counts the users × runs part at both levels; with 30 runs that is a small part.
    assert differences.std() == pytest.approx(contrast.standard_error, rel=0.1)


def test_users_without_a_hit_are_drawn_in_number_only() -> None:
    # One user of ten is worth 1: the share of picks on that user has mean 0.1 and variance 0.1 × 0.9 / 10.
    values = np.zeros((1, 10))
    values[0, 3] = 1
    hit, miss = UserMetrics(values, deterministic=True), UserMetrics(np.zeros((1, 10)), deterministic=True)
    for pair, mean in (((hit, miss), 0.1), ((miss, hit), -0.1)):
        differences = two_level_bootstrap(*pair, np.random.default_rng(1), draws=20_000)
        assert differences.mean() == pytest.approx(mean, abs=0.003)
        assert differences.var() == pytest.approx(0.009, rel=0.05)


def test_runs_are_drawn_with_replacement_for_each_model() -> None:
    """Users are alike and runs are worth 0 and 1: both draws are 0, one of them is 1, or both are."""
    first = UserMetrics(np.repeat([[0.0], [1.0]], 4, axis=1))
    second = UserMetrics(np.full((1, 4), 0.25), deterministic=True)
    differences = two_level_bootstrap(first, second, np.random.default_rng(2), draws=20_000)
    values, counts = np.unique(differences, return_counts=True)
    assert values.tolist() == [-0.25, 0.25, 0.75]
    assert counts / 20_000 == pytest.approx([1 / 4, 1 / 2, 1 / 4], abs=0.015)


def test_nothing_anywhere_differs_by_nothing() -> None:
    empty = UserMetrics(np.zeros((3, 5)))
    assert not two_level_bootstrap(empty, empty, np.random.default_rng(0), draws=10).any()


def test_percentile_interval() -> None:
    assert bootstrap_interval(np.arange(1001.0)) == pytest.approx((25, 975))
