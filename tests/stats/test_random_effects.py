import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from lrbench.stats.random_effects import random_effects

Y, S = [0.1, 0.3, 0.05, 0.4], [0.05, 0.1, 0.08, 0.12]


def test_equal_to_statsmodels() -> None:
    found = random_effects(Y, S)
    expected = combine_effects(np.array(Y), np.square(S), method_re="iterated")
    assert found.mean == pytest.approx(expected.mean_effect_re, rel=1e-6)
    assert found.tau**2 == pytest.approx(expected.tau2, rel=1e-4)
    margin = 3.182446305 * expected.sd_eff_w_re_hksj  # t with 3 degrees of freedom
    assert (found.low, found.high) == pytest.approx((found.mean - margin, found.mean + margin), rel=1e-5)
    assert found.heterogeneity_p == pytest.approx(expected.test_homogeneity().pvalue)


def test_alike_effects_have_no_heterogeneity() -> None:
    found = random_effects([0.1, 0.11, 0.09], [0.1, 0.1, 0.1])
    assert found.tau == 0
    assert found.heterogeneity_p > 0.9
    assert found.mean == pytest.approx(0.1)


def test_two_datasets_are_too_few() -> None:
    with pytest.raises(ValueError, match="at least 3 effects, got 2"):
        random_effects([0.1, 0.2], [0.1, 0.1])
