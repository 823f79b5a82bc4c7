"""Every training target is predicted exactly once an epoch, from the context that the mode promises."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.config.training import LongSequences, TrainingRows
from lrbench.data.batches import TrainingBatch, TrainingData, evaluation_batches
from lrbench.data.sequences import EvaluationView, TrainingView

CPU = torch.device("cpu")
length_lists = st.lists(st.integers(0, 40), min_size=1, max_size=10)
max_lengths = st.integers(1, 12)
Context = tuple[int, ...]


def view_of(lengths: list[int], held_out: int = 2) -> TrainingView:
    """Users whose items all differ: each item is its own flat index. The last ones of a user are held out."""
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths) + held_out)])
    n_items = int(offsets[-1])
    return TrainingView(np.arange(n_items, dtype=np.int32), offsets[:-1], offsets[1:] - held_out, n_items)


def targets_of(view: TrainingView) -> list[int]:
    """All training items but each user's first; items are flat indices."""
    ranges = [np.arange(start + 1, stop) for start, stop in zip(view.starts, view.stops, strict=True)]
    return np.concatenate(ranges).tolist()


def contexts(batch: TrainingBatch) -> dict[int, Context]:
    """What each target of a batch is predicted from."""
    found = {}
    for row, target in zip(batch.rows, batch.targets, strict=True):
        own = batch.sequences.sequence_of == batch.sequences.sequence_of[row]
        seen = own & (batch.sequences.positions <= batch.sequences.positions[row])
        found[int(target)] = tuple(batch.sequences.items[seen].tolist())
    return found


def all_contexts(data: TrainingData, batch_size: int = 7, **options) -> dict[int, Context]:
    """Contexts of an epoch; fails if a target comes twice."""
    merged: dict[int, Context] = {}
    for batch in data.batches(batch_size, CPU, **options):
        found = contexts(batch)
        assert len(found) == len(batch.targets)
        assert not merged.keys() & found.keys()
        assert data.target_items[batch.target_ids].tolist() == batch.targets.tolist()
        # The items of this data are their own places in it.
        assert batch.next_items.tolist() == (batch.sequences.items[batch.sequences.last] + 1).tolist()
        merged |= found
    return merged


@pytest.mark.parametrize("rows", ["positions", "prefixes"])
@pytest.mark.parametrize("long_sequences", ["windowed", "exact", "latest"])
@given(length_lists, max_lengths, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_only_allowed_targets_are_predicted_and_from_the_same_items(
    rows: TrainingRows, long_sequences: LongSequences, lengths: list[int], max_length: int, random: Random
) -> None:
    view = view_of(lengths)
    labels = np.array([random.random() < 0.5 for _ in view.items], dtype=bool)
    everything = TrainingData(view, max_length, rows, long_sequences)
    some = TrainingData(replace(view, labels=labels), max_length, rows, long_sequences)
    expected = {at: seen for at, seen in all_contexts(everything).items() if labels[at]}
    assert all_contexts(some) == expected
    assert all_contexts(some, shuffle=np.random.default_rng(0)) == expected
    keep = np.arange(some.n_targets) % 2 == 0
    assert all_contexts(some, keep=keep) == {at: expected[at] for at in some.target_at[keep]}


@pytest.mark.parametrize(
    ("rows", "long_sequences"), [("positions", "windowed"), ("positions", "exact"), ("prefixes", "windowed")]
)
@given(length_lists, max_lengths)
@settings(max_examples=40)
def test_every_target_once_from_its_latest_items(
    rows: str, long_sequences: str, lengths: list[int], max_length: int
) -> None:
    view = view_of(lengths)
    data = TrainingData(view, max_length, rows, long_sequences)
    found = all_contexts(data, shuffle=np.random.default_rng(0))
    assert sorted(found) == targets_of(view)
    assert data.n_targets == len(found)
    whole = rows == "prefixes" or long_sequences == "exact"
    for target, context in found.items():
        start = view.starts[np.searchsorted(view.starts, target, side="right") - 1]
        available = min(target - start, max_length)
        assert context == tuple(range(target - len(context), target))
        assert len(context) <= max_length
        assert len(context) >= (available if whole else min(available, (max_length + 1) // 2))


@given(length_lists, max_lengths, st.integers(0, 100))
@settings(max_examples=40)
def test_kept_targets_are_those_trained_on(lengths: list[int], max_length: int, seed: int) -> None:
    data = TrainingData(view_of(lengths), max_length)
    keep = np.random.default_rng(seed).random(data.n_targets) < 0.3
    everything = all_contexts(data)
    kept = all_contexts(data, keep=keep)
    assert sorted(kept) == sorted(data.target_items[keep].tolist())
    assert all(everything[target] == context for target, context in kept.items())
    for batch in data.batches(7, CPU, keep=keep):  # no input follows the last one that predicts
        last = [
            int(batch.rows[batch.sequences.sequence_of[batch.rows] == number].max())
            for number in range(batch.sequences.n_sequences)
        ]
        assert last == batch.sequences.last.tolist()


@pytest.mark.parametrize("rows", ["positions", "prefixes"])
@given(length_lists, max_lengths, st.integers(1, 30), st.integers(0, 100), st.booleans())
@settings(max_examples=40)
def test_batches_are_counted_without_being_made(
    rows: TrainingRows, lengths: list[int], max_length: int, size: int, seed: int, some: bool
) -> None:
    data = TrainingData(view_of(lengths), max_length, rows)
    keep = np.random.default_rng(seed).random(data.n_targets) < 0.3 if some else None
    for shuffled in (False, True):
        made, counted = (np.random.default_rng(seed) if shuffled else None for _ in range(2))
        found = len(list(data.batches(size, CPU, made, keep)))
        assert data.n_batches(size, counted, keep) == found


@given(length_lists, max_lengths)
@settings(max_examples=40)
def test_prefixes_are_the_latest_items_before_a_target(lengths: list[int], max_length: int) -> None:
    view = view_of(lengths)
    data = TrainingData(view, max_length)
    ids = np.random.default_rng(0).permutation(data.n_targets)
    tokens = data.prefixes(ids, CPU)
    for number, target in enumerate(data.target_items[ids]):
        start = view.starts[np.searchsorted(view.starts, target, side="right") - 1]
        own = tokens.items[tokens.sequence_of == number].tolist()
        assert own == list(range(max(start, target - max_length), target))


def test_windows_by_hand() -> None:
    # Eleven inputs, at most four at a time. The first window predicts at all its places, each
    # further one at its two later ones. The last is moved back so that its context stays long.
    data = TrainingData(view_of([12]), 4)
    assert data.starts.tolist() == [0, 2, 4, 6, 7]
    assert data.stops.tolist() == [4, 6, 8, 10, 11]
    assert (data.target_at[data.first_target] - 1).tolist() == [0, 4, 6, 8, 10]


def test_the_latest_window_by_hand() -> None:
    data = TrainingData(view_of([12, 3]), 4, long_sequences="latest")
    assert data.starts.tolist() == [7, 14]
    assert data.stops.tolist() == [11, 16]
    assert (data.target_at[data.first_target] - 1).tolist() == data.starts.tolist()
    prefixes = TrainingData(view_of([12, 3]), 4, "prefixes", "latest")
    assert prefixes.starts.tolist() == [7, 7, 7, 7, 14, 14]
    assert prefixes.stops.tolist() == [8, 9, 10, 11, 15, 16]


def test_batches_are_about_as_large_as_asked_and_shuffled_by_the_source() -> None:
    data = TrainingData(view_of([5] * 50), 10)
    sizes = [len(batch.targets) for batch in data.batches(20, CPU)]
    assert sizes == [20] * 10
    first = [batch.targets.tolist() for batch in data.batches(20, CPU, np.random.default_rng(1))]
    again = [batch.targets.tolist() for batch in data.batches(20, CPU, np.random.default_rng(1))]
    other = [batch.targets.tolist() for batch in data.batches(20, CPU, np.random.default_rng(2))]
    assert first == again
    assert first != other


def test_users_with_fewer_than_two_items_give_no_target() -> None:
    data = TrainingData(view_of([0, 1, 0]), 5)
    assert data.n_targets == 0
    assert list(data.batches(4, CPU)) == []
    assert list(data.batches(4, CPU, keep=np.zeros(0, dtype=np.bool_))) == []


@given(st.lists(st.integers(1, 30), min_size=1, max_size=10), max_lengths, st.integers(1, 4))
@settings(max_examples=40)
def test_evaluation_batches_give_the_latest_items_in_order(
    lengths: list[int], max_length: int, batch_size: int
) -> None:
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths) + 1)])
    items = np.arange(offsets[-1], dtype=np.int32)
    starts, stops = offsets[:-1], offsets[1:] - 1
    view = EvaluationView(items, np.arange(len(lengths)), starts, stops, items[stops], len(items))
    covered = []
    for users, tokens in evaluation_batches(view, max_length, batch_size, CPU):
        covered += range(*users.indices(len(view)))
        for number, user in enumerate(range(*users.indices(len(view)))):
            own = tokens.items[tokens.sequence_of == number].tolist()
            assert own == items[starts[user] : stops[user]][-max_length:].tolist()
    assert covered == list(range(len(lengths)))


@pytest.mark.parametrize("rows", ["positions", "prefixes"])
def test_a_batch_knows_whether_every_target_follows_its_whole_sequence(rows: TrainingRows) -> None:
    data = TrainingData(view_of([5, 2, 9]), 4, rows)
    last = np.zeros(data.n_targets, dtype=np.bool_)
    last[data.first_target + data.counts - 1] = True  # the last target of each window
    for keep in (None, last):
        for batch in data.batches(3, CPU, keep=keep):
            sequences = batch.sequences
            expected = torch.equal(batch.rows, sequences.last[sequences.sequence_of[batch.rows]])
            assert batch.ends_sequences == expected
            assert batch.sequence_of.tolist() == sequences.sequence_of[batch.rows].tolist()
            assert expected or (rows == "positions" and keep is None)


@pytest.mark.parametrize("rows", ["positions", "prefixes"])
@pytest.mark.parametrize("filled", [False, True])
def test_targets_that_follow_each_sequence_are_told(rows: TrainingRows, filled: bool) -> None:
    data = TrainingData(view_of([5, 2, 9, 3]), 12, rows)
    for batch in data.batches(7, CPU, filled=filled):
        follow = torch.equal(batch.rows, batch.sequences.last)
        assert batch.one_each == (follow and not filled)
