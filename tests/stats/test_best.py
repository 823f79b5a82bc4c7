import numpy as np
from matrices import model

from lrbench.stats.best import tied_with_best
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics


def test_close_models_tie_and_far_ones_do_not() -> None:
    generator = np.random.default_rng(0)
    shared = generator.normal(1, 1, (1, 500))
    models = [
        UserMetrics(shared + shift + generator.normal(0, 0.05, (5, 1)) + generator.normal(0, 0.3, (5, 500)))
        for shift in (0.0, 0.5, 0.49, -0.4)
    ]
    assert tied_with_best(models) == [False, True, True, False]


def test_every_pair_could_have_been_the_one_tested() -> None:
    """The best of five models is compared with four others, but it was chosen from ten pairs."""
    generator = np.random.default_rng(5)
    models = [model(generator, shift=0.02 * place) for place in range(5)]
    best = int(np.argmax([each.mean for each in models]))
    p_values = {place: crossed(models[best], models[place]).p for place in range(5) if place != best}
    smallest = min(p_values, key=p_values.__getitem__)
    between = p_values[smallest] * 7  # rejected if corrected for 4 tests, not for 10
    assert tied_with_best(models, between)[smallest] is True
    assert tied_with_best(models, p_values[smallest] * 10.01)[smallest] is False


def test_unknown_with_few_seeds() -> None:
    generator = np.random.default_rng(1)
    assert tied_with_best([model(generator, 2), model(generator, 2, shift=1)]) == [None, True]


def test_equal_means_tie_whatever_can_be_tested() -> None:
    same = UserMetrics(np.full((2, 4), 0.5))
    assert tied_with_best([same, same]) == [True, True]


def test_pairs_may_be_tested_in_a_way_of_their_own() -> None:
    generator = np.random.default_rng(2)
    luck = generator.normal(0, 0.3, (4, 1)) + generator.normal(0, 0.1, (4, 60))
    first = UserMetrics(1 + luck)
    second = UserMetrics(0.9 + luck + generator.normal(0, 0.02, (4, 60)))
    assert tied_with_best([first, second]) == [True, True]
    pairs = [first, second]
    assert tied_with_best(pairs, test=lambda a, b: crossed(pairs[a], pairs[b], paired=True)) == [True, False]


def test_one_user_separates_nothing() -> None:
    one = UserMetrics(np.array([[0.1], [0.2], [0.3]]))
    assert tied_with_best([one, one.scaled(2)]) == [None, True]
