import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from lrbench.stats.multiplicity import benjamini_hochberg, holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_holm_by_hand() -> None:
    # 3 × .001, then 2 × .026, then max(2 × .026, 1 × .03): the third is not below the second.
    assert holm([0.026, 0.001, 0.03]) == pytest.approx([0.052, 0.003, 0.052])


def test_awaited_tests_count_as_one_by_hand() -> None:
    # Two of four tests have a result: 4 × .01, then 3 × .02.
    assert holm([0.02, 0.01], awaited=2) == pytest.approx([0.06, 0.04])


@given(p_values, p_values)
def test_later_results_never_raise_what_holm_said_while_they_were_awaited(
    now: list[float], later: list[float]
) -> None:
    before = holm(now, awaited=len(later))
    assert before == pytest.approx(holm([*now, *[1.0] * len(later)])[: len(now)])
    assert (holm([*now, *later])[: len(now)] <= before + 1e-12).all()


def test_benjamini_hochberg_by_hand() -> None:
    # 3 × .02 / 1 = .06, 3 × .03 / 2 = .045, 3 × .04 / 3 = .04: all three at .04 from the largest down.
    assert benjamini_hochberg([0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.04, 0.04])


def test_no_tests_no_values() -> None:
    assert len(holm([])) == len(benjamini_hochberg([])) == 0


@pytest.mark.slow
@settings(max_examples=15)  # the reference takes a tenth of a second per call
@given(p_values)
def test_holm_equal_to_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@given(p_values)
def test_benjamini_hochberg_equal_to_statsmodels(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


@given(p_values)
def test_monotone_and_never_below_the_raw_value(p: list[float]) -> None:
    order = np.argsort(p, kind="stable")
    for adjusted in (holm(p), benjamini_hochberg(p)):
        assert (adjusted >= np.array(p) * (1 - 1e-12)).all()
        assert (np.diff(adjusted[order]) >= 0).all()
        assert adjusted.max() <= 1


@given(p_values)
def test_holm_is_stricter_than_benjamini_hochberg(p: list[float]) -> None:
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()
