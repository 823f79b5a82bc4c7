from collections.abc import Callable, Sequence

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.meta_analysis import combine_effects

from lrbench.stats.over_datasets import MeanEffect, equal_effects, fixed_mean, random_mean

Y, S = [0.1, 0.3, 0.05, 0.4], [0.05, 0.1, 0.08, 0.12]


def test_equal_to_statsmodels() -> None:
    found = random_mean(Y, S)
    expected = combine_effects(np.array(Y), np.square(S), method_re="iterated")
    assert found.mean == pytest.approx(expected.mean_effect_re, rel=1e-6)
    assert found.tau**2 == pytest.approx(expected.tau2, rel=1e-4)
    margin = 3.182446305 * expected.sd_eff_w_re_hksj  # t with 3 degrees of freedom
    assert (found.low, found.high) == pytest.approx((found.mean - margin, found.mean + margin), rel=1e-5)
    assert equal_effects(Y, S) == pytest.approx(expected.test_homogeneity().pvalue)


@pytest.mark.parametrize("mean_of", [random_mean, lambda y, s: fixed_mean(y, s, [4, 5, 6, 7])])
def test_the_p_value_is_5_per_cent_where_the_interval_ends_at_zero(
    mean_of: Callable[[Sequence[float], Sequence[float]], MeanEffect],
) -> None:
    found = mean_of(Y, S)
    for end in (found.low, found.high):
        assert mean_of([effect - end for effect in Y], S).p == pytest.approx(0.05)


def test_alike_effects_have_no_heterogeneity() -> None:
    effects, errors = [0.1, 0.11, 0.09], [0.1, 0.1, 0.1]
    found = random_mean(effects, errors)
    assert found.tau == 0
    assert equal_effects(effects, errors) > 0.9
    assert found.mean == pytest.approx(0.1)


def test_effects_that_are_alike_by_chance_are_no_more_certain_than_their_errors() -> None:
    effects, errors = [0.050, 0.052, 0.047], [0.03, 0.03, 0.03]
    these, others = fixed_mean(effects, errors, [50, 50, 50]), random_mean(effects, errors)
    margin = scipy.stats.t.ppf(0.975, 2) * 0.03 / np.sqrt(3)
    assert others.mean == pytest.approx(these.mean)
    assert (others.low, others.high) == pytest.approx((these.mean - margin, these.mean + margin))
    assert others.p > these.p > 0.001


def test_the_error_on_others_is_never_below_that_on_these() -> None:
    """With equal errors both means are the same, and the other one has fewer degrees of freedom."""
    source = np.random.default_rng(3)
    for count in source.integers(3, 8, 500):
        errors = source.uniform(0.01, 0.5, count)
        effects = source.normal(0, source.uniform(0, 2) * errors)
        others = random_mean(effects, errors)
        error = (others.high - others.low) / 2 / scipy.stats.t.isf(0.025, count - 1)
        assert error >= (1 / np.square(errors)).sum() ** -0.5 * (1 - 1e-9)
        alike = np.full(count, errors[0])
        these, others = fixed_mean(effects, alike, np.full(count, 50)), random_mean(effects, alike)
        assert others.high - others.low > these.high - these.low


@pytest.mark.parametrize("tau", [0.0, 0.03, 0.1])
def test_the_mean_on_others_holds_its_level(tau: float) -> None:
    """With three datasets of equal errors, whether their true effects differ or not."""
    source = np.random.default_rng(4)
    errors = np.full(3, 0.03)
    effects = source.normal(0, np.hypot(tau, errors), (2000, 3))
    found = [random_mean(each, errors) for each in effects]
    assert np.mean([each.p <= 0.05 for each in found]) < 0.06
    these = [fixed_mean(each, errors, [50, 50, 50]).p <= 0.05 for each in effects]
    assert not any(each.p <= 0.05 and not shown for each, shown in zip(found, these, strict=True))


def test_others_are_not_inferred_from_two_datasets() -> None:
    with pytest.raises(ValueError, match="at least 3 effects, got 2"):
        random_mean([0.1, 0.2], [0.1, 0.1])


def test_the_mean_of_two_datasets_by_hand() -> None:
    """Errors of 0.05 and 0.12 add up to 0.13, and their mean has half of it."""
    found = fixed_mean([0.1, 0.3], [0.05, 0.12], [10, 8])
    df = 0.0169**2 / (0.0025**2 / 10 + 0.0144**2 / 8)
    margin = scipy.stats.t.ppf(0.975, df) * 0.065
    assert found.mean == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.2 - margin, 0.2 + margin))
    assert found.p == pytest.approx(2 * scipy.stats.t.cdf(-0.2 / 0.065, df))


def test_a_precise_dataset_has_no_greater_weight_among_these() -> None:
    assert fixed_mean([0.0, 1.0], [0.001, 0.5], [9, 9]).mean == pytest.approx(0.5)


def test_the_fixed_mean_holds_its_level_where_effects_differ() -> None:
    """Effects of −0.5 and 0.5 have a mean of zero; random effects would need the spread in their error."""
    source = np.random.default_rng(1)
    errors, df, runs = np.array([0.1, 0.3]), np.array([6, 12]), 4000
    effects = np.array([-0.5, 0.5]) + source.normal(0, errors, (runs, 2))
    estimated = errors * np.sqrt(source.chisquare(df, (runs, 2)) / df)
    rejected = np.mean([fixed_mean(y, s, df).p <= 0.05 for y, s in zip(effects, estimated, strict=True)])
    assert 0.04 < rejected < 0.06
