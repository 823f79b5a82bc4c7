"""Popularity counts the training part and nothing else."""

import numpy as np
from small_data import leave_one_out

from lrbench.data.sequences import Sequences
from lrbench.models.classical.popularity import Popularity, PopularityConfig
from lrbench.testing import pack_lists


def test_counts_of_the_training_part_alone() -> None:
    items = np.array([0, 1, 1, 2, 3, 1, 2, 3, 3, 4], dtype=np.int32)
    offsets = np.array([0, 5, 8, 10])  # the last user is too short to be evaluated: all of it is trained on
    split = leave_one_out(Sequences(items, offsets, None, 5))
    model = Popularity(PopularityConfig(), 5, 10)
    model.stages["counting"](model).fit(split.train)
    scores = model.score(model.encode(pack_lists([[0], [4, 4]]), (0,), None)[0])
    assert scores.tolist() == [[1, 3, 0, 1, 1]] * 2
