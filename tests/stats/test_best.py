import numpy as np
from matrices import model

from lrbench.stats.best import tied_with_best
from lrbench.stats.user_metrics import UserMetrics


def test_close_models_tie_and_far_ones_do_not() -> None:
    generator = np.random.default_rng(0)
    shared = generator.normal(1, 1, (1, 500))
    models = [
        UserMetrics(shared + shift + generator.normal(0, 0.05, (5, 1)) + generator.normal(0, 0.3, (5, 500)))
        for shift in (0.0, 0.5, 0.49, -0.4)
    ]
    assert tied_with_best(models) == [False, True, True, False]


def test_unknown_with_few_seeds() -> None:
    generator = np.random.default_rng(1)
    assert tied_with_best([model(generator, 2), model(generator, 2, shift=1)]) == [None, True]


def test_equal_means_tie_whatever_can_be_tested() -> None:
    same = UserMetrics(np.full((2, 4), 0.5))
    assert tied_with_best([same, same]) == [True, True]
