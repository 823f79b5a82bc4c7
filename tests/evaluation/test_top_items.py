"""Lists of the highest-ranked items, beside sorting item by item and beside the ranks of the targets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import leave_one_out, small_dataset, trial_config
from table_model import TableModel, view_of

from lrbench.evaluation.ranking import NonFiniteScoresError, rank_targets
from lrbench.evaluation.top_items import top_items
from lrbench.execution.train_and_rank import build_model
from lrbench.models.base import FitStage

CPU = torch.device("cpu")


@settings(max_examples=60)
@given(st.data())
def test_lists_are_those_of_sorting_the_candidates(data: st.DataObject) -> None:
    n_items = data.draw(st.integers(2, 8))
    item = st.integers(0, n_items - 1)
    sequences = data.draw(st.lists(st.lists(item, min_size=2, max_size=6), min_size=1, max_size=5))
    most, masked = data.draw(st.integers(1, n_items)), data.draw(st.booleans())
    dropped = data.draw(st.sets(item, max_size=n_items))
    # Few different scores, so that many tie.
    row = st.lists(st.sampled_from([-1.0, 0.0, 2.5]), min_size=n_items, max_size=n_items)
    table = data.draw(st.lists(row, min_size=n_items, max_size=n_items))
    view = view_of(sequences, n_items)
    if dropped:
        view = replace(view, not_ranked=np.array(sorted(dropped), dtype=np.int64))
    found = top_items(TableModel(torch.tensor(table)), view, 0, most, 0, CPU, masked)
    for sequence, items, scores in zip(sequences, found.items, found.scores, strict=True):
        seen = set(sequence[:-1]) - {sequence[-1]} if masked else set()
        candidates = [item for item in range(n_items) if item not in seen | dropped]
        expected = sorted(candidates, key=lambda item: -table[sequence[-2]][item])[:most]
        assert items.tolist() == expected + [-1] * (most - len(expected))
        known = [table[sequence[-2]][item] for item in expected]
        assert scores.tolist() == known + [-np.inf] * (most - len(expected))


@pytest.mark.parametrize("name", ["lares", "diffureason", "popularity"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_target_is_at_the_place_of_its_rank(name: str, masked: bool) -> None:
    """Also where latents start from noise: the lists draw the noise of the ranks, and no dropout."""
    dataset = small_dataset()
    model = build_model(trial_config(name), dataset, CPU)
    parts = leave_one_out(dataset.sequences)
    stage = model.stages[model.default_stages[0]](model)
    if isinstance(stage, FitStage):
        stage.fit(parts.train)
    depth = model.configured_depth(model.config)
    ranks = rank_targets(model, parts.test, (depth,), 7, CPU)
    rank, ties = (each[0] for each in ranks.headline(masked))
    found = top_items(model.train(), parts.test, depth, parts.test.n_items, 7, CPU, masked)
    places = 1 + (found.items == parts.test.targets[:, None]).argmax(axis=1)
    assert (np.abs(places - rank) <= ties / 2).all()
    assert (ties == 0).any()


def test_scores_that_are_not_finite_fail() -> None:
    table = torch.zeros(3, 3)
    table[1, 2] = torch.nan
    with pytest.raises(NonFiniteScoresError):
        top_items(TableModel(table), view_of([[0, 1, 2]], 3), 0, 2, 0, CPU, masked=True)
