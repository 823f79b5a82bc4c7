"""Models in closed form against small cases worked by hand and dense algebra."""

import math

import numpy as np
import pytest
import torch

from lrbench.errors import LrbenchError
from lrbench.models.base import Model
from lrbench.models.classical.closed_form import training_interactions, user_item_matrix
from lrbench.models.classical.ease import EASE, EASEConfig
from lrbench.models.classical.item_knn import ItemKNN, ItemKNNConfig
from lrbench.models.classical.markov import Markov, MarkovConfig
from lrbench.testing import pack_lists, training_view

HISTORIES = [[0, 1, 2], [0, 1, 1], [2, 0, 3]]
N_ITEMS = 5


def fitted(model: Model, histories: list[list[int]] = HISTORIES) -> Model:
    model.stages["fitting"](model).fit(training_view(histories, N_ITEMS))
    return model


def scores(model: Model, *histories: list[int]) -> torch.Tensor:
    (states,) = model.encode(pack_lists(histories), (0,), None)
    return model.score(states)


def test_only_training_interactions_count() -> None:
    view = training_view(HISTORIES, N_ITEMS)
    shorter = type(view)(view.items, view.starts + 1, view.stops, N_ITEMS)
    users, items = training_interactions(shorter)
    assert users.tolist() == [0, 0, 1, 1, 2, 2]
    assert items.tolist() == [1, 2, 1, 1, 0, 3]
    assert user_item_matrix(view).toarray()[1].tolist() == [1, 1, 0, 0, 0]


def test_markov_counts_what_follows_the_last_item() -> None:
    model = fitted(Markov(MarkovConfig(smoothing=2.0), N_ITEMS, 4))
    popularity = np.array([4, 4, 3, 2, 1]) / 14  # one more than its occurrences
    after_zero = (np.array([0, 2, 0, 1, 0]) + 2 * popularity) / (3 + 2)
    found = scores(model, [3, 0], [1, 3])
    np.testing.assert_allclose(found[0].exp(), after_zero, rtol=1e-6)
    np.testing.assert_allclose(found[1].exp(), popularity, rtol=1e-6)  # nothing ever followed item 3


def test_item_knn_sums_cosines_of_distinct_items() -> None:
    model = fitted(ItemKNN(ItemKNNConfig(neighbours=4), N_ITEMS, 4))
    # Users of 0: a, b, c; of 1: a, b; of 2: a, c; of 3: c.
    cosine = {(0, 1): 2 / math.sqrt(6), (0, 2): 2 / math.sqrt(6), (0, 3): 1 / math.sqrt(3), (1, 2): 0.5}
    found = scores(model, [0, 1, 1])[0]
    expected = [cosine[0, 1], cosine[0, 1], cosine[0, 2] + cosine[1, 2], cosine[0, 3], 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_item_knn_keeps_the_nearest_alone() -> None:
    found = scores(fitted(ItemKNN(ItemKNNConfig(neighbours=2), N_ITEMS, 4)), [0])[0]
    assert (found > 0).tolist() == [False, True, True, False, False]


def test_ease_is_its_formula() -> None:
    model = fitted(EASE(EASEConfig(regularisation=0.5), N_ITEMS, 4))
    users = user_item_matrix(training_view(HISTORIES, N_ITEMS)).toarray()
    inverse = np.linalg.inv(users.T @ users + 0.5 * np.eye(N_ITEMS))
    weights = np.eye(N_ITEMS) - inverse / np.diag(inverse)
    np.testing.assert_allclose(np.diag(weights), 0, atol=1e-12)
    np.testing.assert_allclose(model.weights, weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores(model, [0, 2, 2])[0], weights[0] + weights[2], rtol=1e-4, atol=1e-5)


def test_ease_says_what_to_raise_if_rounding_leaves_no_inverse() -> None:
    model = EASE(EASEConfig(regularisation=1e-12), 3, 4)
    with pytest.raises(LrbenchError, match="Raise regularisation"):
        model.fit(training_view([[0, 1], [2]], 3))  # items 0 and 1 have the same user


def test_ease_refuses_a_catalogue_that_is_too_large() -> None:
    with pytest.raises(LrbenchError, match="50,000 items"):
        EASE(EASEConfig(), 50_000, 4)
