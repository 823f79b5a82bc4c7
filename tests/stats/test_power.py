import math

import numpy as np
import pytest
import scipy.stats
from matrices import model
from statsmodels.stats.power import TTestIndPower

from lrbench.stats.contrast import Contrast
from lrbench.stats.power import minimum_detectable, seeds_to_find
from lrbench.stats.variance import RunSource, Sources, sources_of


@pytest.mark.parametrize(("runs", "alpha"), [(3, 0.05), (5, 0.05), (10, 0.05), (10, 0.005)])
def test_equal_to_statsmodels_for_two_samples(runs: int, alpha: float) -> None:
    contrast = Contrast("any", 0.0, math.sqrt(2 / runs), 2.0 * runs - 2)
    detectable = minimum_detectable(contrast, alpha)
    assert TTestIndPower().power(detectable, runs, alpha) == pytest.approx(0.8, abs=1e-4)


def test_found_with_the_power_it_says_where_df_are_few() -> None:
    """The sum of two t quantiles is too small where degrees of freedom are few."""
    contrast = Contrast("any", 0.0, 1.0, 2.0)
    shift, generator = minimum_detectable(contrast, 0.05 / 10), np.random.default_rng(0)
    spread = np.sqrt(generator.chisquare(2, 200_000) / 2)
    p = 2 * scipy.stats.t.sf(abs(generator.normal(shift, 1, 200_000) / spread), 2)
    assert (p <= 0.05 / 10).mean() == pytest.approx(0.8, abs=0.005)


def test_large_samples_by_the_normal_table() -> None:
    # 1.959964 + 0.841621 standard errors
    assert minimum_detectable(Contrast("any", 0.0, 0.5, 1e7)) == pytest.approx(0.5 * 2.801585, rel=1e-5)


def test_unknown_where_not_testable() -> None:
    assert math.isnan(minimum_detectable(Contrast("any", 0.1, reason="too little")))


def test_number_of_seeds_is_the_smallest_that_finds_the_difference() -> None:
    sources = sources_of(model(np.random.default_rng(0), 3, 500), model(np.random.default_rng(1), 3, 500))

    def detectable(seeds: int, alpha: float = 0.05) -> float:
        more = sources.with_seeds(seeds)
        return minimum_detectable(Contrast("any", 0.0, math.sqrt(more.variance), more.df), alpha)

    wanted = detectable(12)
    seeds = seeds_to_find(sources, wanted)
    assert seeds is not None
    assert seeds == 12
    assert detectable(seeds) <= wanted < detectable(seeds - 1)
    assert seeds_to_find(sources, -wanted) == 12
    stricter = seeds_to_find(sources, wanted, alpha=0.04)
    assert stricter is not None
    assert detectable(stricter, 0.04) <= wanted < detectable(stricter - 1, 0.04)


def test_no_number_of_seeds_makes_up_for_too_few_users() -> None:
    sources = Sources(users=1.0, df_users=99, runs=(RunSource(3, 0.1, 0.0),))
    assert seeds_to_find(sources, 1.0) is None
    assert seeds_to_find(sources, 100.0) == 3
