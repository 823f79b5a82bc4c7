"""Filled batches have few shapes, and their own sequences and targets are those of plain batches."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from lrbench.data.batches import TrainingData
from lrbench.data.rungs import filling, length_rung, rung
from lrbench.testing import training_view

CPU = torch.device("cpu")


@given(st.integers(1, 100_000))
def test_a_rung_is_not_below_its_count_and_not_far_above(count: int) -> None:
    assert count <= rung(count) <= max(count * 1.125, count + 8)
    assert rung(rung(count)) == rung(count)


def test_rungs_are_few() -> None:
    assert len({rung(count) for count in range(1024, 2049)}) == 9
    assert [rung(count) for count in (1, 8, 9, 1024, 1025, 1152, 1153)] == [8, 8, 16, 1024, 1152, 1152, 1280]
    assert [length_rung(longest, 50) for longest in (1, 2, 3, 32, 33, 50)] == [1, 2, 4, 32, 50, 50]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=300))
def test_filling_reaches_rungs_with_sequences_of_fitting_length(lengths: list[int]) -> None:
    added = filling(np.array(lengths))
    assert added.min() >= 1
    assert added.max() <= max(lengths)
    for total in (len(lengths) + len(added), sum(lengths) + added.sum()):
        assert rung(int(total)) == total


def test_a_filled_batch_holds_the_plain_one() -> None:
    source = np.random.default_rng(0)
    view = training_view([source.integers(0, 30, 3 + n % 9).tolist() for n in range(200)], 30)
    data = TrainingData(view, 10)
    shapes = set()
    for plain, filled in zip(data.batches(60, CPU), data.batches(60, CPU, filled=True), strict=True):
        real = len(plain.targets)
        assert torch.equal(filled.targets[:real], plain.targets)
        assert np.array_equal(filled.target_ids, plain.target_ids)
        for batch in (plain, filled):  # what each target's state has read
            seen = batch.sequences.items[batch.rows[:real]], batch.sequences.positions[batch.rows[:real]]
            assert torch.equal(
                torch.stack(seen),
                torch.stack([plain.sequences.items[plain.rows], plain.sequences.positions[plain.rows]]),
            )
        own = filled.sequences.sequence_of[filled.rows]
        assert (own[:real] < plain.sequences.n_sequences).all()
        assert (own[real:] >= plain.sequences.n_sequences).all()
        assert filled.weights is not None
        assert torch.equal(filled.weights > 0, torch.arange(len(filled.rows)) < real)
        torch.testing.assert_close(filled.weights.sum().item(), 1.0)
        assert (filled.users < 0).tolist() == (filled.weights == 0).tolist()
        (group,) = filled.sequences.groups
        shapes.add((filled.sequences.n_tokens, group.sequences, group.length, len(filled.rows)))
    assert len(shapes) <= 6


def test_filling_is_no_negative_of_any_target() -> None:
    view = training_view([[1, 2, 3], [4, 5], [6, 7, 8, 9]], 10)
    (batch,) = TrainingData(view, 10).batches(60, CPU, filled=True)
    real = len(batch.target_ids)
    excluded, only_filling = batch.no_negatives(same_user=True), batch.no_negatives(same_user=False)
    assert excluded is not None and only_filling is not None
    expected = [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], *[[0, 0, 0, 1, 1, 1]] * 3]
    assert torch.equal(excluded[:real, :real], torch.tensor(expected).bool().fill_diagonal_(False))
    assert not only_filling[:real, :real].any()
    for mask in (excluded, only_filling):
        assert mask[:real, real:].all()
        assert mask[real:, :real].all()
        assert not mask.diagonal().any()
