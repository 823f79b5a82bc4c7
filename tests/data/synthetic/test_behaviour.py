"""The generator's exact prediction, against enumeration of all interest paths and against frequencies."""

from itertools import product

import numpy as np
import pytest

from lrbench.data.synthetic.behaviour import Behaviour, generate, invert, predictive


def small_behaviour(seed=0, interests=2, items=5, follow=0.3, echo=0.2):
    random = np.random.default_rng(seed)

    def rows(*shape):
        table = random.random(shape) ** 3
        return table / table.sum(axis=-1, keepdims=True)

    return Behaviour(
        start=rows(interests),
        drift=rows(interests, interests),
        interest_items=rows(interests, items),
        successors=rows(items, items),
        follow=follow,
        echo=echo,
    )


def by_enumeration(behaviour, history):
    """P(next | history) as a sum over every path of interests, from the model's description alone."""

    def of_next(seen, interest):
        follow = behaviour.follow if seen else 0.0
        echo = behaviour.echo if len(seen) > 1 else 0.0
        weights = (1 - follow - echo) * behaviour.interest_items[interest]
        if seen:
            weights = weights + follow * behaviour.successors[seen[-1]]
        if len(seen) > 1:
            weights = weights + echo * behaviour.successors[seen[-2]]
        weights = np.where(np.isin(np.arange(behaviour.n_items), seen), 0.0, weights)
        return weights / weights.sum()

    joint = np.zeros(behaviour.n_items)
    for path in product(range(len(behaviour.start)), repeat=len(history) + 1):
        probability = behaviour.start[path[0]]
        for step, item in enumerate(history):
            probability *= of_next(history[:step], path[step])[item]
            probability *= behaviour.drift[path[step], path[step + 1]]
        joint += probability * of_next(history, path[-1])
    return joint / joint.sum()


@pytest.mark.parametrize("interests", [1, 2, 3])
def test_filtering_equals_enumeration(interests):
    behaviour = small_behaviour(interests=interests)
    lengths = np.array([0, 1, 2, 3, 4])
    items = generate(behaviour, np.full(5, 4), np.random.default_rng(1))
    found = predictive(behaviour, items, lengths)
    expected = [by_enumeration(behaviour, list(items[user, :length])) for user, length in enumerate(lengths)]
    assert np.allclose(found, expected, rtol=1e-12)


def test_generated_items_follow_the_prediction():
    """Of 200,000 users, those with one history draw their next items in the predicted shares."""
    behaviour = small_behaviour(items=4)
    items = generate(behaviour, np.full(200_000, 3), np.random.default_rng(2))
    for history in ([0, 1], [3, 2], [1, 0]):
        found = items[(items[:, :2] == history).all(axis=1), 2]
        expected = predictive(behaviour, np.array([history]), np.array([2]))[0]
        shares = np.bincount(found, minlength=4) / len(found)
        assert len(found) > 1000
        assert (np.abs(shares - expected) < 4 * np.sqrt(expected * (1 - expected) / len(found)) + 1e-12).all()


def test_nothing_repeats_and_lengths_are_kept():
    lengths = np.array([1, 5, 3])
    items = generate(small_behaviour(), lengths, np.random.default_rng(3))
    assert items.shape == (3, 5)
    for row, length in zip(items, lengths, strict=True):
        assert len(set(row[:length])) == length
        assert (row[length:] == -1).all()


def test_inversion():
    weights = np.array([[2.0, 0.0, 2.0]])
    assert invert(weights, np.array([0.0, 0.49, 0.5, 0.99])).tolist() == [0, 0, 2, 2]
    assert invert(np.array([[0.0, 1.0], [3.0, 1.0]]), np.array([0.0, 0.8])).tolist() == [1, 1]
