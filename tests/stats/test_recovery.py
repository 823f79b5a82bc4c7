"""Recovery against Fieller's closed form, in its limits, and by simulation."""

import math

import numpy as np
import pytest
import scipy.stats

from lrbench.arrays import Floats
from lrbench.stats.contrast import NO_VARIATION
from lrbench.stats.crossed import crossed
from lrbench.stats.recovery import NO_COST, recovery
from lrbench.stats.user_metrics import UserMetrics


def fieller(gain: Floats, cost: Floats, confidence: float) -> tuple[float, float]:
    """Fieller's interval of the ratio of two means of paired values, (users,)."""
    users = len(gain)
    covariance = np.cov(gain, cost) / users
    squared = float(scipy.stats.t.isf((1 - confidence) / 2, users - 1)) ** 2
    a = cost.mean() ** 2 - squared * covariance[1, 1]
    b = -2 * (gain.mean() * cost.mean() - squared * covariance[0, 1])
    c = gain.mean() ** 2 - squared * covariance[0, 0]
    low, high = sorted(np.roots([a, b, c]).real)
    return float(low), float(high)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_is_fiellers_interval_where_only_users_vary(confidence: float) -> None:
    random = np.random.default_rng(0)
    merged = random.random(200)
    cost, gain = 0.2 + 0.3 * random.normal(size=200), 0.1 + 0.3 * random.normal(size=200)
    models = [
        UserMetrics(values[None], deterministic=True) for values in (merged + gain, merged, merged + cost)
    ]
    found = recovery(*models, confidence=confidence)
    assert found.share == pytest.approx(gain.mean() / cost.mean())
    assert (found.low, found.high) == pytest.approx(fieller(gain, cost, confidence), rel=1e-6)


def draw(random: np.random.Generator, gain: float, cost: float, users: int = 150) -> list[UserMetrics]:
    """Draw five runs of the method and of the plain model, merged and unmerged; users and runs have luck."""
    common = random.normal(1, 0.5, users)
    return [
        UserMetrics(
            common
            + shift
            + random.normal(0, 0.3, users)
            + random.normal(0, 0.02, (5, 1))
            + random.normal(0, 0.2, (5, users))
        )
        for shift in (gain, 0.0, cost)
    ]


def test_the_plain_model_recovers_nothing_and_no_sharing_all() -> None:
    _, merged, unmerged = draw(np.random.default_rng(1), 0, 0.4)
    nothing, everything = recovery(merged, merged, unmerged), recovery(unmerged, merged, unmerged)
    assert nothing.share == 0
    assert everything.share == 1
    assert nothing.low < 0 < nothing.high < everything.low < 1 < everything.high


@pytest.mark.parametrize("share", [0, 1, *np.linspace(0.03, 0.97, 20)])
def test_a_deterministic_method_that_mixes_both_plain_models_leaves_no_doubt(share: float) -> None:
    """Every user recovers the same share, so no other one can be true."""
    random = np.random.default_rng(5)
    plain = random.random(50)
    cost = random.random(50)
    method, merged, unmerged = (
        UserMetrics(values[None], deterministic=True)
        for values in (plain + share * cost, plain, plain + cost)
    )
    found = recovery(method, merged, unmerged)
    slack = 0 if share in (0, 1) else 1e-12  # the method equals a plain model, or does but for rounding
    assert (found.share, found.low, found.high) == pytest.approx((share,) * 3, rel=0, abs=slack)
    assert found.reason == ""


def test_there_is_an_interval_where_the_test_finds_a_cost_and_nowhere_else() -> None:
    random = np.random.default_rng(2)
    reasons = []
    for cost in np.linspace(-0.3, 0.3, 40):
        method, merged, unmerged = draw(random, 0.1, cost)
        found, test = recovery(method, merged, unmerged), crossed(unmerged, merged)
        assert found.reason == ("" if test.difference > 0 and test.p <= 0.05 else NO_COST)
        assert found.costs_nothing == (found.reason == NO_COST)
        assert math.isnan(found.low) == math.isnan(found.high) == bool(found.reason)
        if not found.reason:
            assert found.low < found.share < found.high
        reasons.append(found.reason)
    assert 10 < reasons.count(NO_COST) < 30


def test_the_cost_is_tested_at_the_level_of_the_interval() -> None:
    """A cost whose p-value is above 5 and below 20 per cent bounds the interval of 80 per cent alone."""
    random = np.random.default_rng(6)
    drawn = (draw(random, 0.1, 0.05) for _ in range(100))
    method, merged, unmerged = next(
        models for models in drawn if 0.06 < crossed(models[2], models[1]).p < 0.19
    )
    assert crossed(unmerged, merged).difference > 0
    assert recovery(method, merged, unmerged).reason == NO_COST
    found = recovery(method, merged, unmerged, confidence=0.8)
    assert found.low < found.share < found.high


def test_what_cannot_be_tested_says_why() -> None:
    method, merged, unmerged = draw(np.random.default_rng(3), 0.1, 0.4)
    few = UserMetrics(method.values[:2])
    assert recovery(few, merged, unmerged).reason == "2 seeds, but a test needs at least 3"
    same = UserMetrics(np.ones((3, 10)))
    assert recovery(same, same, same).reason == NO_VARIATION
    with pytest.raises(ValueError, match="the same users"):
        recovery(UserMetrics(method.values[:, :9]), merged, unmerged)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_interval_holds_the_truth_as_often_as_it_says(share: float) -> None:
    random, cost = np.random.default_rng(4), 0.4
    found = [recovery(*draw(random, share * cost, cost)) for _ in range(150)]
    bounded = [result for result in found if not result.reason]
    assert len(bounded) > 145
    covered = np.mean([result.low <= share <= result.high for result in bounded])
    assert covered == pytest.approx(0.95, abs=0.05)
