"""Self-supervised pre-training: its draws, its rows and what each switch leaves out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.same_target import SameTarget, aligned_targets
from lrbench.models.latent.lares.model import LARES, LARESConfig
from lrbench.models.latent.lares.pretraining import SelfSupervised
from lrbench.testing import training_view

CPU = torch.device("cpu")
HISTORIES = [[1, 2, 3, 4], [5, 2, 3], [6, 7, 8, 9, 2], [9, 4], [3, 3, 3, 3, 3, 3, 3, 3]]
SIZES = {
    "width": 8,
    "heads": 2,
    "inner_width": 8,
    "pre_layers": 1,
    "core_layers": 1,
    "step_sampler": "constant",
}


def spt(**options) -> tuple[SelfSupervised, TrainingBatch]:
    """The stage with all its targets as one batch."""
    torch.manual_seed(0)
    stage = SelfSupervised(LARES(LARESConfig(**(SIZES | options)), n_items=10, max_length=5))
    data = TrainingData(training_view(HISTORIES, 10), 5)
    stage.begin(data, CPU)
    (batch,) = data.batches(100, CPU)
    return stage, batch


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 100))
def test_another_target_with_the_same_item(items: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    target_items = np.array(items, dtype=np.int32)
    ids = np.arange(len(items))
    drawn = SameTarget(target_items).draw(ids)
    assert (target_items[drawn] == target_items).all()
    alone = np.bincount(target_items)[target_items] == 1
    assert ((drawn == ids) == alone).all()


def test_same_targets_are_drawn_uniformly() -> None:
    torch.manual_seed(0)
    same = SameTarget(np.array([7, 3, 7, 7, 3, 7], dtype=np.int32))
    drawn = same.draw(np.full(9000, 2))
    counts = np.bincount(drawn, minlength=6)
    assert counts[[1, 2, 4]].tolist() == [0, 0, 0]
    assert np.abs(counts[[0, 3, 5]] / 9000 - 1 / 3).max() < 4.5 * (2 / 9 / 9000) ** 0.5


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    stage, batch = spt(alpha=0.3, gamma=0.7)
    terms = stage.losses(batch)
    assert set(terms) == {"loss", "cross_entropy", "trajectory", "step"}
    expected = terms["cross_entropy"] + 0.3 * terms["trajectory"] + 0.7 * terms["step"]
    torch.testing.assert_close(terms["loss"], expected)


@pytest.mark.parametrize(
    ("options", "passes", "names"),
    [
        ({"alpha": 0.1, "gamma": 0.5}, 3, {"trajectory", "step"}),
        ({"alpha": 0.0, "gamma": 0.5}, 2, {"step"}),
        ({"alpha": 0.1, "gamma": 0.0}, 3, {"trajectory"}),
        ({"alpha": 0.0, "gamma": 0.0}, 1, set()),
        ({"alpha": 0.1, "gamma": 0.5, "mean_depth": 1}, 3, {"trajectory"}),  # one step has no other to meet
    ],
)
def test_a_switched_off_term_costs_no_pass(options: dict, passes: int, names: set[str]) -> None:
    stage, batch = spt(**options)
    prepare, taken = stage.model.prepare, []
    stage.model.prepare = lambda sequences: taken.append(sequences) or prepare(sequences)
    terms = stage.losses(batch)
    assert len(taken) == passes
    assert set(terms) == {"loss", "cross_entropy"} | names


def test_the_other_view_is_the_history_of_the_drawn_targets() -> None:
    stage, batch = spt()
    data, prefixes, asked = stage._data, stage._data.prefixes, []
    data.prefixes = lambda ids, device: asked.append(ids) or prefixes(ids, device)
    stage.losses(batch)
    (ids,) = asked
    assert (data.target_items[ids] == batch.targets.numpy()).all()


def test_one_row_per_sequence() -> None:
    stage, batch = spt(alignment_rows="sequence")
    chosen = {tuple(aligned_targets(batch, stage.model.config.alignment_rows).tolist()) for _ in range(50)}
    assert len(chosen) > 10
    sequence_of = batch.sequences.sequence_of[batch.rows]
    for rows in chosen:
        assert sorted(sequence_of[list(rows)].tolist()) == list(range(batch.sequences.n_sequences))


def test_every_target_is_a_row() -> None:
    stage, batch = spt(alignment_rows="target")
    assert aligned_targets(batch, stage.model.config.alignment_rows).tolist() == list(range(len(batch.rows)))


def test_same_user_pairs_are_no_negatives_even_across_windows() -> None:
    stage, batch = spt()
    users = np.repeat(range(len(HISTORIES)), [len(history) - 1 for history in HISTORIES])
    assert batch.sequences.n_sequences > len(HISTORIES)  # the last user takes two windows
    expected = (users[:, None] == users) & ~np.eye(len(users), dtype=bool)
    order = np.argsort(batch.target_ids)
    mask = stage._data.same_user(batch.target_ids[order], CPU)
    assert (mask.numpy() == expected).all()


def test_negatives_of_the_same_user_change_the_loss() -> None:
    losses = []
    for allowed in (False, True):
        stage, batch = spt(same_sequence_negatives=allowed, dropout=0.0)
        torch.manual_seed(1)
        losses.append(stage.losses(batch)["trajectory"].item())
    assert losses[1] > losses[0]  # more negatives in the denominators
