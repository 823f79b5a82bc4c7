import math

import pytest

from lrbench.stats.contrast import Contrast


def test_t_p_and_interval_by_the_table() -> None:
    # t(0.975, 10) = 2.228139
    contrast = Contrast("any", difference=2.228139, standard_error=1.0, df=10)
    assert contrast.p == pytest.approx(0.05, abs=1e-6)
    low, high = contrast.interval()
    assert low == pytest.approx(0, abs=1e-6)
    assert high == pytest.approx(2 * 2.228139, abs=1e-6)


def test_not_testable_has_a_difference_and_nothing_else() -> None:
    contrast = Contrast("any", 0.5, reason="too little")
    assert not contrast.testable
    assert all(math.isnan(value) for value in (contrast.t, contrast.p, *contrast.interval()))
