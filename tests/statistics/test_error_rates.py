"""What each test calls significant when two algorithms are equal, and what it finds when they are not.

Ranks are simulated with users, a stable taste of each user for each model, luck of each training run and
noise: rank = floor(exp(5.35 - b_u - c_um - g_ms - e_ums)), b ~ N(0, 1.6), c ~ N(0, 0.6), g ~ N(0, τ),
e ~ N(0, 0.9), for the 22,363 users of Amazon-2014 Beauty. NDCG@10 is near 0.03 then, and the means of runs
spread by some percent of it. Counts of false alarms are held against binomial quantiles.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.stats

from lrbench.metrics import ndcg
from lrbench.stats.bootstrap import bootstrap_interval, two_level_bootstrap
from lrbench.stats.crossed import crossed
from lrbench.stats.seeds import welch_seeds
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
        taste = generator.normal(0, 1.6, users)
        pair = []
        for gain in (shift, 0.0):
            match = generator.normal(0, 0.6, users)
            run = generator.normal(0, luck, (seeds, 1))
            noise = generator.normal(0, 0.9, (seeds, users))
            ranks = np.floor(np.exp(5.35 - taste - match - run - noise - gain))
            pair.append(UserMetrics(ndcg(np.maximum(ranks, 1), 10)))
        yield pair[0], pair[1]


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
    # Five runs give 4/5 of their variance, so an interval of 95 % is one of some 92 %.
    assert missed <= scipy.stats.binom(100, 0.08).ppf(0.999)
