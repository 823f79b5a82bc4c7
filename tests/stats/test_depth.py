import numpy as np
import pytest
import scipy.stats

from lrbench.stats.crossed import PAIRED
from lrbench.stats.depth import depth_contrast, depth_shape, shallowest_depth
from lrbench.stats.user_metrics import UserMetrics


def curve(means: dict[int, float], seeds: int = 4, noise: float = 0.02) -> dict[int, UserMetrics]:
    """Runs at several depths: users and the luck of a run are the same at all of them."""
    generator = np.random.default_rng(0)
    steady = generator.normal(1, 1, 200) + generator.normal(0, 0.2, (seeds, 1))
    return {
        depth: UserMetrics(steady + mean + generator.normal(0, noise, (seeds, 200)))
        for depth, mean in means.items()
    }


def test_depths_of_a_run_are_paired() -> None:
    by_depth = curve({0: 0.0, 2: 0.01})
    contrast = depth_contrast(by_depth, 2, 0)
    assert contrast.test == PAIRED
    assert contrast.difference == pytest.approx(0.01, abs=0.003)
    assert contrast.p < 0.05


def test_a_hole_at_depth_1_is_no_gain_from_depth() -> None:
    """A slope over the logarithm of these depths is positive with p < 0.001."""
    by_depth = curve({0: 0.5, 1: 0.0, 2: 0.5, 4: 0.5, 8: 0.5})
    slope = scipy.stats.linregress(np.log2([1, 2, 4, 8]), [by_depth[d].mean for d in (1, 2, 4, 8)])
    assert slope.slope > 0.1
    assert depth_contrast(by_depth, 8, 2).p > 0.05
    assert depth_shape(by_depth) == "depth 1 is lower, the others are not shown to differ"


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ({0: 0, 1: 0, 2: 0}, "no depth is shown to differ from the best"),
        ({0: 0, 1: 1, 2: 1, 4: 1}, "depth 0 is lower, the others are not shown to differ"),
        ({0: 0, 1: 1, 2: 2}, "depth 2, the deepest, is best, all others are lower"),
        ({0: 2, 1: 0, 2: 1, 4: 1}, "depth 0 is best, all others are lower"),
        ({0: 2, 1: 2, 2: 0}, "depth 2 is lower, the others are not shown to differ"),
        ({0: 0, 1: 1, 2: 2, 4: 0, 8: 1}, "depth 2 is best, all others are lower"),
        (
            {0: 2, 1: 0, 2: 0, 4: 0, 6: 2, 8: 0},
            "depths 1 to 4 and 8 are lower, the others are not shown to differ",
        ),
        ({0: 0, 1: 2, 2: 2, 4: 1}, "depths 0 and 4 are lower, the others are not shown to differ"),
    ],
)
def test_shapes_in_words(means: dict[int, float], words: str) -> None:
    assert depth_shape(curve(means)) == words


def test_each_depth_is_tested_without_a_correction() -> None:
    by_depth = curve({0: 0.0, 1: 0.0, 2: 0.004})
    p = max(depth_contrast(by_depth, 2, depth).p for depth in (0, 1))
    assert depth_shape(by_depth, alpha=1.01 * p) == "depth 2, the deepest, is best, all others are lower"
    assert "all others are lower" not in depth_shape(by_depth, alpha=0.99 * p)


def test_no_words_with_two_seeds() -> None:
    assert depth_shape(curve({0: 0, 1: 1}, seeds=2)) == ""


def test_depths_that_change_nothing_do_not_differ() -> None:
    same = UserMetrics(np.ones((3, 4)) * 0.2)
    assert depth_shape({0: same, 1: same}) == "no depth is shown to differ from the best"
    assert shallowest_depth({0: same, 1: same}) == 0


def test_noise_on_a_plateau_does_not_choose_a_deep_one() -> None:
    by_depth = curve({0: 0.0, 1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, noise=0.5)
    wobble = np.random.default_rng(1).normal(0, 0.1, by_depth[1].values.shape)
    by_depth[8] = UserMetrics(by_depth[1].values + 1e-4 + wobble - wobble.mean())
    assert max(by_depth, key=lambda depth: by_depth[depth].mean) == 8
    assert shallowest_depth(by_depth) == 1


def test_the_shallowest_depth_within_one_standard_error_by_hand() -> None:
    """Users differ by 1 or -1 around the mean difference, so its standard error is √(4/3) / 2 = 0.577."""
    best, spread = np.array([[5.0, 6.0, 7.0, 8.0]]), np.array([[1.0, 1.0, -1.0, -1.0]])
    gaps = {4: 0.0, 0: 0.6, 1: 0.55, 2: 0.5}  # in no order
    by_depth = {depth: UserMetrics(best - (gap + spread if gap else 0)) for depth, gap in gaps.items()}
    assert shallowest_depth(by_depth) == 1


def test_a_clear_peak_is_chosen_with_one_run_too() -> None:
    assert shallowest_depth(curve({0: 0.0, 1: 0.5, 2: 1.0, 3: 0.5}, seeds=1)) == 2
