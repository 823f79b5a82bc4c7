import math

import pytest
from statsmodels.stats.power import TTestIndPower

from lrbench.stats.contrast import Contrast
from lrbench.stats.power import minimum_detectable, seed_noise_detectable


@pytest.mark.parametrize(("seeds", "factor"), [(3, 3.0), (5, 2.0), (10, 1.3)])
def test_rule_of_seed_spreads(seeds: int, factor: float) -> None:
    assert seed_noise_detectable(1.0, seeds) == pytest.approx(factor, abs=0.05)


def test_close_to_the_noncentral_t() -> None:
    exact = TTestIndPower().solve_power(nobs1=10, alpha=0.05, power=0.8)
    assert seed_noise_detectable(1.0, 10) == pytest.approx(exact, rel=0.01)


def test_large_samples_by_the_normal_table() -> None:
    # 1.959964 + 0.841621 standard errors
    assert minimum_detectable(Contrast("any", 0.0, 0.5, 1e7)) == pytest.approx(0.5 * 2.801585, rel=1e-5)


def test_unknown_where_not_testable() -> None:
    assert math.isnan(minimum_detectable(Contrast("any", 0.1, reason="too little")))
    assert math.isnan(seed_noise_detectable(0.1, 1))
