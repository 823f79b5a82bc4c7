import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from matrices import model

from lrbench.stats import seeds
from lrbench.stats.seeds import permutation_floor, permute_seeds, welch_seeds
from lrbench.stats.user_metrics import UserMetrics


def runs(*means: float) -> UserMetrics:
    """Runs whose users are all alike, so that only the means matter."""
    return UserMetrics(np.repeat(np.array(means)[:, None], 4, axis=1))


def test_welch_equals_scipy() -> None:
    generator = np.random.default_rng(0)
    first, second = model(generator, seeds=5), model(generator, seeds=3)
    expected = scipy.stats.ttest_ind(first.seed_means, second.seed_means, equal_var=False)
    result = welch_seeds(first, second)
    assert (result.t, result.p, result.df) == pytest.approx(
        (expected.statistic, expected.pvalue, expected.df)
    )


def test_welch_against_a_deterministic_model_is_a_one_sample_test() -> None:
    trained, fixed = runs(0.2, 0.3, 0.25), UserMetrics(np.full((1, 4), 0.22), deterministic=True)
    expected = scipy.stats.ttest_1samp(trained.seed_means, 0.22)
    result = welch_seeds(trained, fixed)
    assert (result.t, result.p, result.df) == pytest.approx((expected.statistic, expected.pvalue, 2))


def test_welch_says_why_it_cannot() -> None:
    fixed = UserMetrics(np.ones((1, 4)), deterministic=True)
    assert welch_seeds(fixed, fixed).reason == "neither model depends on the seed"
    assert "2 seeds, but" in welch_seeds(runs(1, 2), runs(1, 2, 3)).reason
    result = welch_seeds(runs(1, 1, 1), runs(2, 2, 2))
    assert (result.constant, "no variation" in result.reason) == (True, True)
    assert welch_seeds(runs(0.1 + 0.2, 0.3, 0.3), runs(0.7, 0.7, 0.7)).constant  # runs vary by rounding


@pytest.mark.parametrize(("seeds", "floor"), [(3, 0.1), (4, 2 / 70), (5, 2 / 252)])
def test_floors_of_the_exact_permutation(seeds: int, floor: float) -> None:
    assert permutation_floor(seeds, seeds) == pytest.approx(floor)


def test_separated_runs_reach_the_floor_exactly() -> None:
    result = permute_seeds(runs(5, 6, 7, 8, 9), runs(0, 1, 2, 3, 4))
    assert result.p == pytest.approx(2 / 252)


def test_permutation_by_hand() -> None:
    # Of the 70 splits of 1..8 into fours two have a difference as large as {5,6,7,8} - {1,2,3,4},
    # and the next one, {4,6,7,8} - {1,2,3,5}, is reached by two more.
    assert permute_seeds(runs(4, 6, 7, 8), runs(1, 2, 3, 5)).p == pytest.approx(4 / 70)


@given(
    first=st.lists(st.integers(0, 6), min_size=4, max_size=6),
    second=st.lists(st.integers(0, 6), min_size=4, max_size=6),
)
def test_exact_permutation_equals_scipy(first: list[int], second: list[int]) -> None:
    """Few values, so that many splits are tied."""
    expected = scipy.stats.permutation_test(
        (first, second),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        vectorized=True,
        n_resamples=np.inf,
    )
    found = permute_seeds(runs(*first), runs(*second)).p
    assert found == pytest.approx(expected.pvalue)
    # Sums of tenths are rounded, so that ties are no longer exact.
    tenths = (runs(*(number / 10 for number in numbers)) for numbers in (first, second))
    assert permute_seeds(*tenths).p == found


def test_more_splits_than_can_be_listed_are_drawn() -> None:
    """With 11 runs of each model there are 705,432 splits."""
    first, second = [1.0 + number for number in range(11)], [number / 2 for number in range(11)]
    sampled = permute_seeds(runs(*first), runs(*second)).p
    assert sampled == pytest.approx(welch_seeds(runs(*first), runs(*second)).p, rel=0.2)


def test_drawn_splits_are_the_same_in_every_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "MOST_SPLITS", 200)  # of 252 splits
    pair = runs(1, 4, 6, 7, 9), runs(0, 2, 3, 5, 8)
    assert len({permute_seeds(*pair).p for _ in range(5)}) == 1


def test_three_seeds_or_a_large_family_are_not_testable() -> None:
    few = permute_seeds(runs(5, 6, 7), runs(1, 2, 3))
    assert math.isnan(few.p)
    assert few.reason == "a permutation of runs needs 4 seeds of each model"
    five = runs(5, 6, 7, 8, 9), runs(0, 1, 2, 3, 4)
    assert permute_seeds(*five, family_size=6).reason == ""
    assert "family of 7" in permute_seeds(*five, family_size=7).reason


def test_other_users_are_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="got 5 and 6"):
        welch_seeds(model(generator, users=5), model(generator, users=6))


def test_a_deterministic_model_has_no_runs_to_permute() -> None:
    fixed = UserMetrics(np.ones((1, 9)), deterministic=True)
    result = permute_seeds(model(np.random.default_rng(0), seeds=6, users=9), fixed)
    assert math.isnan(result.floor)
    assert result.reason == "a deterministic model has no runs to permute"
