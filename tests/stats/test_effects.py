import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matrices import pairs, shared_luck

from lrbench.stats.bootstrap import bootstrap_interval
from lrbench.stats.effects import (
    UserCounts,
    paired_effect,
    probability_of_superiority,
    ratio_change,
    relative_difference,
    user_counts,
)
from lrbench.stats.user_metrics import UserMetrics


def single(*values: float) -> UserMetrics:
    return UserMetrics(np.array([values]), deterministic=True)


def test_relative_difference_is_a_ratio() -> None:
    result = relative_difference(single(0.2, 0.5, 0.5), single(0.25, 0.5, 0.25))
    assert result.value == pytest.approx(0.2)
    assert result.low < 0.2 < result.high


def test_relative_interval_by_hand() -> None:
    """Values over their means differ by -1/4, -1/4 and 1/2: deviation √0.1875, error √0.1875 / √3 = 1/4."""
    result = relative_difference(single(0.2, 0.5, 0.5), single(0.25, 0.5, 0.25))
    assert result.log_error == pytest.approx(1 / 4)
    margin = 4.302653 / 4  # t with 2 degrees of freedom
    assert result.low == pytest.approx(1.2 * math.exp(-margin) - 1)
    assert result.high == pytest.approx(1.2 * math.exp(margin) - 1)


def test_paired_runs_have_a_narrower_relative_interval() -> None:
    pair = shared_luck(np.random.default_rng(0), gap=0.05)
    paired, apart = relative_difference(*pair, paired=True), relative_difference(*pair)
    assert paired.value == apart.value
    assert paired.log_error < apart.log_error / 3


def test_relative_interval_near_the_bootstrap() -> None:
    generator = np.random.default_rng(7)
    first, second = (UserMetrics(generator.gamma(1.0, mean, (1, 4000)), True) for mean in (0.11, 0.1))
    picks = generator.integers(4000, size=(2000, 4000))
    ratios = first.values[0][picks].mean(axis=1) / second.values[0][picks].mean(axis=1) - 1
    result = relative_difference(first, second)
    assert (result.low, result.high) == pytest.approx(bootstrap_interval(ratios), abs=0.006)


def test_relative_difference_to_nothing_is_undefined() -> None:
    assert math.isnan(relative_difference(single(0.1, 0.2), single(0.0, 0.0)).value)


def test_relative_difference_with_few_seeds_has_no_interval() -> None:
    result = relative_difference(UserMetrics(np.full((1, 4), 0.3)), UserMetrics(np.full((1, 4), 0.2)))
    assert result.value == pytest.approx(0.5)
    assert math.isnan(result.low)


@given(pairs(), st.floats(1e-3, 1e3))
def test_relative_difference_has_no_unit(pair: tuple[UserMetrics, UserMetrics], factor: float) -> None:
    positive = [UserMetrics(np.abs(metrics.values) + 0.1) for metrics in pair]
    plain = relative_difference(*positive)
    scaled = relative_difference(*(metrics.scaled(factor) for metrics in positive))
    assert (scaled.value, scaled.low, scaled.high) == pytest.approx((plain.value, plain.low, plain.high))


def test_paired_effect_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, standard deviation 1.
    assert paired_effect(single(1, 2, 3), single(0, 0, 0)) == pytest.approx(2)
    assert math.isnan(paired_effect(single(1, 1, 1), single(0, 0, 0)))


def test_probability_of_superiority_by_hand() -> None:
    first, second = UserMetrics(np.array([[1.0], [2.0], [3.0]])), UserMetrics(np.array([[0.0], [2.0]]))
    assert probability_of_superiority(first, second) == pytest.approx((2 + 2 + 1 - 0.5) / 6)


def test_user_counts_by_hand() -> None:
    assert user_counts(single(1, 0.5, 0, 0.2), single(0, 0.5, 1, 0.1)) == UserCounts(2, 1, 1)


def test_rounding_is_no_win() -> None:
    first, second = (UserMetrics(np.array(rows)) for rows in ([[0.1], [0.2], [0.3]], [[0.3], [0.2], [0.1]]))
    assert user_counts(first, second).ties == 1
    forth, back = (UserMetrics(np.array([row])) for row in ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1]))
    assert probability_of_superiority(forth, back) == 0.5


@given(pairs())
def test_effects_change_sign_with_the_order(pair: tuple[UserMetrics, UserMetrics]) -> None:
    forth, back = user_counts(*pair), user_counts(*reversed(pair))
    assert (forth.wins, forth.ties, forth.losses) == (back.losses, back.ties, back.wins)
    assert paired_effect(*pair) == pytest.approx(-paired_effect(*reversed(pair)))
    total = probability_of_superiority(*pair) + probability_of_superiority(*reversed(pair))
    assert total == pytest.approx(1)


def test_one_user_has_a_ratio_without_an_interval() -> None:
    one = UserMetrics(np.array([[0.1], [0.2], [0.3]]))
    found = relative_difference(one.scaled(2), one)
    assert found.value == pytest.approx(1)
    assert np.isnan([found.low, found.high]).all()


def test_the_change_of_a_ratio_of_two_runs_by_hand() -> None:
    """y doubles A from .2 to .4 and leaves B: the ratio doubles, and by z both are equal."""
    first = single(0.2, 0.4, 0.6), single(0.1, 0.2, 0.3)
    second = single(0.3, 0.1, 0.2), single(0.3, 0.1, 0.2)
    found = ratio_change(first, second)
    assert found.difference == pytest.approx(math.log(2))
    assert not found.testable  # each model keeps its profile over users: nothing varies
    halved = ratio_change((first[0].scaled(0.5), first[1]), (second[0].scaled(0.5), second[1]))
    assert halved.difference == pytest.approx(found.difference)


def test_no_ratio_of_zero() -> None:
    found = ratio_change((single(0.0, 0.0), single(0.1, 0.2)), (single(0.1, 0.2), single(0.1, 0.2)))
    assert not found.testable
    assert found.reason == "a mean is not positive"


@pytest.mark.parametrize("level", [0.3, 0.7])
def test_a_share_that_both_models_lose_is_rarely_found(level: float) -> None:
    """Model A is twice as good, and each hit of either model is lost with the same probability."""
    generator = np.random.default_rng(7)
    seeds, users, found = 5, 600, 0
    for _ in range(300):
        models = []
        for quality in (0.3, 0.15):
            luck = 1 + 0.1 * generator.standard_normal((seeds, 1))
            hits = generator.random((seeds, users)) < quality * luck
            kept = hits & (generator.random((seeds, users)) < level)
            models.append((UserMetrics(kept.astype(float)), UserMetrics(hits.astype(float))))
        found += ratio_change(*models).p <= 0.05
    assert found <= 0.08 * 300


def test_a_share_that_one_model_loses_is_found() -> None:
    generator = np.random.default_rng(8)
    hits = [generator.random((5, 2000)) < 0.3 for _ in range(2)]
    models = [
        (
            UserMetrics((each & (generator.random(each.shape) < level)).astype(float)),
            UserMetrics(each.astype(float)),
        )
        for each, level in zip(hits, (0.9, 0.7), strict=True)
    ]
    found = ratio_change(*models)
    assert found.difference == pytest.approx(math.log(0.9 / 0.7), abs=0.05)
    assert found.p < 0.001
