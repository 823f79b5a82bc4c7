import math

import numpy as np
import pytest
import scipy.stats
from matrices import shared_luck

from lrbench.arrays import Int64s
from lrbench.stats.crossed import crossed
from lrbench.stats.groups import group_contrasts, interaction_p, quartiles
from lrbench.stats.user_metrics import UserMetrics

GROUPS = np.repeat([0, 1, 2, 3], [40, 60, 50, 50])


def made(generator: np.random.Generator, gains: list[float], seeds: int = 3) -> UserMetrics:
    """Make runs with luck that is common to all users and luck of each group."""
    luck = generator.normal(0, 0.05, (seeds, 1)) + generator.normal(0, 0.1, (seeds, 4))[:, GROUPS]
    steady = generator.normal(1, 1, 200) + np.array(gains)[GROUPS]
    return UserMetrics(steady + luck + generator.normal(0, 1, (seeds, 200)))


def test_equal_values_share_a_quartile() -> None:
    groups = quartiles(np.array([1, 1, 1, 1, 2, 3, 4, 5]))
    assert groups.tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert quartiles(np.array([7, 7, 7])).tolist() == [0, 0, 0]


def test_a_group_is_the_crossed_test_of_its_users() -> None:
    generator = np.random.default_rng(0)
    first, second = made(generator, [1, 0, 0, 0]), made(generator, [0, 0, 0, 0])
    contrasts = group_contrasts(first, second, GROUPS, paired=False)
    assert len(contrasts) == 4
    expected = crossed(UserMetrics(first.values[:, 40:100]), UserMetrics(second.values[:, 40:100]))
    assert contrasts[1].interval() == pytest.approx(expected.interval())
    assert contrasts[1].difference == pytest.approx(expected.difference)
    assert contrasts[0].p < 0.05


def test_an_equal_gain_everywhere_is_no_interaction() -> None:
    generator = np.random.default_rng(1)
    pairs = ((made(generator, [0.5] * 4), made(generator, [0] * 4)) for _ in range(300))
    p_values = np.array([interaction_p(*pair, GROUPS, paired=False) for pair in pairs])
    assert (p_values <= 0.05).sum() <= scipy.stats.binom(300, 0.05).ppf(0.999)
    assert p_values.max() == 1  # four tests, of which the smallest p-value counts fourfold


def test_a_gain_in_one_group_alone_is_found() -> None:
    generator = np.random.default_rng(2)
    first, second = made(generator, [0, 0, 0, 2.0], 5), made(generator, [0, 0, 0, 0], 5)
    assert interaction_p(first, second, GROUPS, paired=False) < 0.01


def test_runs_that_share_weights_are_paired_in_groups_and_between_them() -> None:
    """Shared luck hides a gain of the first of three groups unless runs are compared one by one."""
    groups = np.repeat([0, 1, 2], 100)
    first, second = shared_luck(np.random.default_rng(0))
    first = UserMetrics(first.values + np.where(groups == 0, 0.1, 0))
    paired, apart = (group_contrasts(first, second, groups, pairing) for pairing in (True, False))
    assert paired[0].p < 0.001
    assert apart[0].p > 0.05
    assert [contrast.paired for contrast in paired] == [True] * 3
    assert interaction_p(first, second, groups, paired=True) < 0.001
    assert interaction_p(first, second, groups, paired=False) > 0.05


@pytest.mark.parametrize("size", [2, 5, 30])
def test_between_two_groups_it_is_one_comparison(size: int) -> None:
    """For deterministic models, the test is Welch's: users vary within groups."""
    generator = np.random.default_rng(3)
    differences, groups = generator.normal(size=60), np.repeat([0, 1], [size, 60 - size])
    first = UserMetrics(differences[None], deterministic=True)
    p = interaction_p(first, UserMetrics.zero(60), groups, paired=False)
    expected = scipy.stats.ttest_ind(differences[:size], differences[size:], equal_var=False).pvalue
    assert p == pytest.approx(expected)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_group_of_few_users_is_no_interaction_by_chance(size: int) -> None:
    generator = np.random.default_rng(5)
    groups = np.repeat([0, 1], [200 - size, size])

    def runs() -> UserMetrics:
        return UserMetrics(generator.normal(size=200) + generator.normal(size=(3, 200)))

    false = sum(interaction_p(runs(), runs(), groups, paired=False) <= 0.05 for _ in range(300))
    assert false <= scipy.stats.binom(300, 0.05).ppf(0.999)


@pytest.mark.parametrize("few", [1, 3])
def test_a_group_that_cannot_be_tested_is_only_among_the_others(few: int) -> None:
    """One user, or users who all gain the same, say nothing of the spread of their group."""
    generator = np.random.default_rng(6)
    first, second = made(generator, [1, 1, 0, 0], 5), made(generator, [0, 0, 0, 0], 5)
    first.values[:, -few:] = second.values[:, -few:] = 0
    two, three = np.repeat([0, 1], [100, 100]), np.repeat([0, 1, 2], [100, 100 - few, few])
    expected = 2 * interaction_p(first, second, two, paired=False)
    assert expected < 0.05
    assert interaction_p(first, second, three, paired=False) == pytest.approx(expected, rel=0.25)
    alone = np.repeat([0, 1], [200 - few, few])
    assert math.isnan(interaction_p(first, second, alone, paired=False))


def test_one_group_or_few_seeds_is_not_testable() -> None:
    generator = np.random.default_rng(4)
    pair = made(generator, [0] * 4, 2), made(generator, [0] * 4, 2)
    assert math.isnan(interaction_p(*pair, GROUPS, paired=False))
    assert math.isnan(interaction_p(*pair, np.zeros(200, dtype=np.int64), paired=False))


def uneven(
    generator: np.random.Generator, gain: float, seeds: int = 5
) -> tuple[UserMetrics, UserMetrics, Int64s]:
    """Make two models on 200 users, half with one target and half with eight, which gain alike."""
    targets = np.repeat([1, 8], 100)
    users = generator.normal(1, 0.3, 200)
    sides = []
    for shift in (gain, 0.0):
        values = users * targets + generator.normal(0, 1, (seeds, 200)) * np.sqrt(targets) + shift * targets
        sides.append(UserMetrics.from_targets(values, targets))
    return sides[0], sides[1], (targets > 1).astype(np.int64)


def test_a_group_has_the_mean_over_its_targets() -> None:
    """By hand: users with 1, 1, 4 and 4 targets. All targets of a group count alike."""
    targets = np.array([1, 1, 4, 2])
    sums = np.array([[1.0, 0.0, 2.0, 1.0]])
    values = UserMetrics.from_targets(sums, targets, deterministic=True)
    assert values.mean == pytest.approx(4 / 8)
    assert values.only(users=np.array([True, True, False, False])).mean == pytest.approx(1 / 2)
    assert values.only(users=np.array([False, False, True, True])).mean == pytest.approx(3 / 6)
    assert values.only(users=np.array([True, False, False, True])).mean == pytest.approx(2 / 3)
    np.testing.assert_allclose(values.user_sums, sums[0] * 4 / 8)


def test_an_equal_gain_per_target_is_the_same_in_groups_with_few_and_many_targets() -> None:
    generator = np.random.default_rng(4)
    p_values = []
    for _ in range(200):
        first, second, groups = uneven(generator, 0.1)
        p_values.append(interaction_p(first, second, groups, paired=False))
    assert (np.array(p_values) <= 0.05).sum() <= scipy.stats.binom(200, 0.05).ppf(0.999)
    first, second, groups = uneven(generator, 0.1, seeds=400)
    assert [each.difference for each in group_contrasts(first, second, groups, False)] == pytest.approx(
        [0.1, 0.1], abs=0.03
    )


def test_a_large_gain_that_is_the_same_for_all_targets_has_a_narrow_interval() -> None:
    """The number of a user's targets does not widen it, and 95 % of intervals hold the gain."""
    generator = np.random.default_rng(5)
    held, widths = 0, {0.0: 0.0, 2.0: 0.0}
    for gain in widths:
        for _ in range(100):
            low, high = crossed(*uneven(generator, gain)[:2]).interval()
            held += low <= gain <= high
            widths[gain] += high - low
    assert held >= scipy.stats.binom(200, 0.95).ppf(0.001)
    assert widths[2.0] == pytest.approx(widths[0.0], rel=0.1)
