"""How often each test calls equal algorithms different, and how often it finds a true difference.

Ranks are those of :mod:`lrbench.stats.simulation`, for as many users as Amazon-2014 Beauty has (22,363), or
for 1,400 where many cells are counted. Counts of false alarms are compared with binomial quantiles.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.best import tied_with_best
from lrbench.stats.bootstrap import bootstrap_interval, two_level_bootstrap
from lrbench.stats.crossed import crossed
from lrbench.stats.seeds import welch_seeds
from lrbench.stats.simulation import NOISES, Noise, simulate_models, simulate_shared_stage
from lrbench.stats.user_metrics import UserMetrics
from lrbench.stats.users import paired_users

pytestmark = pytest.mark.slow

USERS = 22_363
REPETITIONS = 300
Pair = tuple[UserMetrics, UserMetrics]


def simulate(luck: float, seeds: int = 5, shift: float = 0.0, users: int = USERS) -> Iterator[Pair]:
    """Pairs of models; the first one's log-rank is lower by ``shift``."""
    generator = np.random.default_rng(2305_02461)
    while True:
        first, second = simulate_models(Noise("luck", luck), users, (seeds, seeds), generator, shift)
        yield first, second


def one_seed(first: UserMetrics, second: UserMetrics) -> float:
    return paired_users(UserMetrics(first.values[:1]), UserMetrics(second.values[:1])).p


def pooled(first: UserMetrics, second: UserMetrics) -> float:
    return float(scipy.stats.ttest_rel(first.values.ravel(), second.values.ravel()).pvalue)


TESTS: dict[str, Callable[[UserMetrics, UserMetrics], float]] = {
    "crossed": lambda first, second: crossed(first, second).p,
    "one seed": one_seed,
    "users": lambda first, second: paired_users(first, second).p,
    "pooled": pooled,
    "seeds": lambda first, second: welch_seeds(first, second).p,
}


def alarms(pairs: Iterator[Pair], repetitions: int = REPETITIONS) -> Counter[str]:
    """How often each test gives p ≤ 0.05."""
    counts: Counter[str] = Counter()
    for _, pair in zip(range(repetitions), pairs, strict=False):
        counts.update(name for name, test in TESTS.items() if test(*pair) <= 0.05)
    return counts


LEVEL = scipy.stats.binom(REPETITIONS, 0.05)


def test_only_crossed_keeps_its_level_where_runs_differ_by_luck() -> None:
    counts = alarms(simulate(luck=0.04))
    assert 1 <= counts["crossed"] <= LEVEL.ppf(0.999), counts
    # Rates of the same simulation at 1,000 repetitions: 40.1, 27.8 and 43.8 %.
    for name, rate in (("one seed", 0.401), ("users", 0.278), ("pooled", 0.438)):
        low, high = scipy.stats.binom(REPETITIONS, rate).interval(0.9998)
        assert low <= counts[name] <= high, counts
        assert counts[name] > 1.5 * LEVEL.ppf(0.999), counts


def test_only_user_tests_keep_their_level_where_runs_differ_by_users_alone() -> None:
    counts = alarms(simulate(luck=0.0))
    assert 1 <= counts["crossed"] <= LEVEL.ppf(0.999), counts
    assert counts["users"] <= LEVEL.ppf(0.999), counts
    assert min(counts["seeds"], counts["pooled"]) > LEVEL.ppf(0.999999), counts


def test_power_grows_with_seeds() -> None:
    found = [alarms(simulate(0.02, seeds, shift=0.06), 100)["crossed"] for seeds in (3, 5, 10)]
    assert found[0] < found[1] < found[2]
    # 48, 76 and 92 % at 1,000 repetitions.
    for count, power in zip(found, (0.48, 0.76, 0.92), strict=True):
        low, high = scipy.stats.binom(100, power).interval(0.9998)
        assert low <= count <= high, found


def test_bootstrap_interval_misses_little_more_often_than_it_says() -> None:
    generator = np.random.default_rng(99)
    missed = 0
    for _, pair in zip(range(100), simulate(luck=0.04, users=4000), strict=False):
        low, high = bootstrap_interval(two_level_bootstrap(*pair, generator, draws=400))
        missed += not low <= 0 <= high
    # Resampling five runs gives 4/5 of their variance, so a 95 % interval covers only about 92 %.
    assert missed <= scipy.stats.binom(100, 0.08).ppf(0.999)


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
@pytest.mark.parametrize("seeds", [(3, 3), (3, 0), (3, 5)], ids=str)
def test_crossed_keeps_its_level_in_every_cell(noise: Noise, seeds: tuple[int, int]) -> None:
    if noise.collapse and 0 in seeds:
        pytest.skip("a deterministic model cannot collapse, so the true means would differ")
    generator = np.random.default_rng(7)
    pairs = (simulate_models(noise, 1400, seeds, generator) for _ in range(REPETITIONS))
    false = sum(crossed(first, second).p <= 0.05 for first, second in pairs)
    assert false <= scipy.stats.binom(REPETITIONS, 0.06).ppf(0.999)


def test_runs_that_share_a_stage_are_found_paired_and_hidden_as_if_independent() -> None:
    generator = np.random.default_rng(8)
    found: Counter[tuple[bool, float]] = Counter()
    for shift in (0.0, 0.06):
        for _ in range(200):
            pair = simulate_shared_stage(1400, 3, generator, luck=0.045, shift=shift)
            for paired in (True, False):
                found[paired, shift] += crossed(*pair, paired=paired).p <= 0.05
    assert found[True, 0.0] <= scipy.stats.binom(200, 0.05).ppf(0.999)
    assert found[False, 0.0] <= 5
    assert found[True, 0.06] > 3 * found[False, 0.06]


@pytest.mark.parametrize("labels", [3, 5, 11])
def test_the_group_of_the_best_keeps_every_label_that_is_as_good(labels: int) -> None:
    """With Holm over only the comparisons with the best, one of eleven equal labels was left out in 12 %."""
    generator = np.random.default_rng(9)
    noise = Noise("luck", luck=0.045)
    left_out = sum(
        not all(tied_with_best(simulate_models(noise, 1400, (5,) * labels, generator))) for _ in range(200)
    )
    assert left_out <= scipy.stats.binom(200, 0.05).ppf(0.999)
