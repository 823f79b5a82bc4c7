"""Packing loses nothing, keeps sequences apart, and hides padding."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lrbench.data.packing import Packed, pack

CPU = torch.device("cpu")
sequence_lists = st.lists(
    st.lists(st.integers(0, 9), min_size=1, max_size=25), min_size=1, max_size=12
)  # items of each sequence


def packed(sequences: list[list[int]], device: torch.device = CPU) -> Packed:
    stops = np.cumsum([len(sequence) for sequence in sequences])
    return pack(np.concatenate(sequences).astype(np.int32), np.concatenate([[0], stops[:-1]]), stops, device)


def running_sum(padded: Tensor) -> Tensor:
    """A causal function: each place sees itself and those before it."""
    return padded.cumsum(1)


@given(sequence_lists)
def test_every_item_keeps_its_sequence_and_place(sequences: list[list[int]]) -> None:
    tokens = packed(sequences)
    assert tokens.n_sequences == len(sequences)
    assert tokens.n_tokens == sum(map(len, sequences))
    rebuilt: list[list[int]] = [[-1] * len(sequence) for sequence in sequences]
    for item, place, number in zip(tokens.items, tokens.positions, tokens.sequence_of, strict=True):
        rebuilt[number][place] = int(item)
    assert rebuilt == sequences


@given(sequence_lists)
def test_first_and_last_are_in_the_order_given(sequences: list[list[int]]) -> None:
    tokens = packed(sequences)
    assert tokens.items[tokens.first].tolist() == [sequence[0] for sequence in sequences]
    assert tokens.items[tokens.last].tolist() == [sequence[-1] for sequence in sequences]
    assert tokens.positions[tokens.first].tolist() == [0] * len(sequences)
    assert tokens.sequence_of[tokens.last].tolist() == list(range(len(sequences)))


@given(sequence_lists)
def test_a_causal_function_by_group_is_that_function_of_each_sequence(sequences: list[list[int]]) -> None:
    tokens = packed(sequences)
    flat = tokens.items.double().unsqueeze(1).requires_grad_()
    summed = tokens.by_group(running_sum, flat)
    weights = torch.arange(1.0, tokens.n_tokens + 1, dtype=torch.float64).unsqueeze(1)
    (gradient,) = torch.autograd.grad((summed * weights).sum(), flat)
    for number in range(len(sequences)):
        own = tokens.sequence_of == number
        assert torch.equal(summed[own], flat[own].cumsum(0))
        # A token adds to its own place and to all later ones of its sequence.
        assert torch.equal(gradient[own], weights[own].flip(0).cumsum(0).flip(0))


@given(sequence_lists)
def test_groups_cover_all_tokens(sequences: list[list[int]]) -> None:
    tokens = packed(sequences)
    bounds = [(group.first_token, group.end_token) for group in tokens.groups]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == tokens.n_tokens
    assert all(stop == start for (_, stop), (start, _) in pairwise(bounds))


def test_sequences_are_grouped_where_that_costs_least() -> None:
    # Two short sequences are not worth a group of their own; many short beside many long ones are.
    few = packed([[1], [1, 2, 3, 4, 5]])
    assert [(group.sequences, group.length) for group in few.groups] == [(2, 5)]
    many = packed([[1] * 2] * 400 + [[1] * 50] * 40)
    assert [(group.sequences, group.length) for group in many.groups] == [(400, 2), (40, 50)]


def test_an_accelerator_takes_a_usual_batch_as_one_group() -> None:
    """On an accelerator, starting kernels costs more than padding, unless there is very much padding."""
    elsewhere = torch.device("meta")
    usual = packed([[1, 2]] * 400 + [[1] * 50] * 40, elsewhere)
    assert [(group.sequences, group.length) for group in usual.groups] == [(440, 50)]
    much = packed([[1, 2]] * 4000 + [[1] * 200] * 400, elsewhere)
    assert [(group.sequences, group.length) for group in much.groups] == [(4000, 2), (400, 200)]


def test_several_parts_are_padded_alike() -> None:
    tokens = packed([[1, 2, 3], [4, 5, 6, 7], [8, 9, 8, 9]])
    flat = tokens.items.double().unsqueeze(1)
    product = tokens.by_group(lambda left, right: left * right, flat, flat + 1)
    assert torch.equal(product, flat * (flat + 1))


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        pack(np.array([1], dtype=np.int32), np.array([0, 1]), np.array([1, 1]), CPU)


def test_no_sequences_pack_to_nothing() -> None:
    nothing = np.array([], dtype=np.int64)
    tokens = pack(np.array([1], dtype=np.int32), nothing, nothing, CPU)
    assert (tokens.n_tokens, tokens.n_sequences, tokens.groups) == (0, 0, ())


@given(sequence_lists)
def test_zeros_as_padding_count_nothing_in_a_sum(sequences: list[list[int]]) -> None:
    tokens = packed(sequences)
    flat = tokens.items.double().requires_grad_()
    summed = tokens.by_group_of_zeros(lambda part: part.sum(1, keepdim=True).expand_as(part), flat)
    totals = torch.tensor([sum(sequence) for sequence in sequences], dtype=torch.float64)
    assert torch.equal(summed, totals[tokens.sequence_of])
    (gradient,) = torch.autograd.grad(summed.sum(), flat)
    assert torch.equal(gradient, tokens.lengths[tokens.sequence_of].double())


@given(sequence_lists)
def test_a_masked_function_sees_all_items_of_a_sequence_and_no_padding(sequences: list[list[int]]) -> None:
    tokens = packed(sequences)

    def total(real: Tensor, items: Tensor) -> Tensor:
        return (items * real).sum(1, keepdim=True).expand_as(items)

    totals = torch.tensor([sum(sequence) for sequence in sequences])
    assert torch.equal(tokens.by_group_masked(total, tokens.items), totals[tokens.sequence_of])
    assert tokens.lengths.tolist() == [len(sequence) for sequence in sequences]


@given(sequence_lists, st.integers(0, 4))
def test_an_appended_item_follows_the_latest_ones(sequences: list[list[int]], most: int) -> None:
    tokens = packed(sequences)
    longer = tokens.appended(np.arange(len(sequences)) + 100, tokens.host.lengths.clip(max=most))
    for number, sequence in enumerate(sequences):
        found = longer.items[longer.first[number] : longer.last[number] + 1].tolist()
        assert found == [*sequence[max(len(sequence) - most, 0) :], 100 + number]


@given(sequence_lists, st.booleans())
def test_padded_sequences_hold_their_items_at_one_side(sequences: list[list[int]], left: bool) -> None:
    tokens = packed(sequences)
    padded = tokens.padded(30, 99, left)
    rows = padded.items.view(len(sequences), 30).tolist()
    for row, sequence in zip(rows, sequences, strict=True):
        fill = [99] * (30 - len(sequence))
        assert row == ([*fill, *sequence] if left else [*sequence, *fill])
    assert torch.equal(padded.items[tokens.places_when_padded(30, left)], tokens.items)
    assert padded.items[padded.last].tolist() == [sequence[-1] for sequence in sequences]


@given(sequence_lists, st.integers(0, 2))
def test_the_host_knows_what_is_on_the_device(sequences: list[list[int]], form: int) -> None:
    tokens = packed(sequences)
    if form == 1:
        tokens = tokens.padded(30, 99, left=True)
    elif form == 2:
        tokens = tokens.appended(np.zeros(len(sequences), dtype=np.int64), tokens.host.lengths)
    host = tokens.host
    assert host.items.tolist() == tokens.items.tolist()
    assert host.positions.tolist() == tokens.positions.tolist()
    assert host.sequence_of.tolist() == tokens.sequence_of.tolist()
    assert host.first.tolist() == tokens.first.tolist()
    assert host.lengths.tolist() == np.bincount(tokens.sequence_of, minlength=len(sequences)).tolist()


@given(sequence_lists, st.sampled_from(["cpu", "one group"]))
def test_repeated_sequences_are_those_packed_several_times(sequences: list[list[int]], cut: str) -> None:
    tokens = packed(sequences)
    if cut == "one group":
        longest = max(len(sequence) for sequence in sequences)
        tokens = packed([sequence[:1] * longest for sequence in sequences])
    twice = tokens.repeated(2)
    flat = torch.arange(2.0 * tokens.n_tokens).unsqueeze(1)
    halves = [tokens.by_group(running_sum, half) for half in flat.chunk(2)]
    assert torch.equal(twice.by_group(running_sum, flat), torch.cat(halves))
    for number in range(2 * len(sequences)):
        own = twice.sequence_of == number
        first = tokens.sequence_of == number % len(sequences)
        assert torch.equal(twice.items[own], tokens.items[first])
        assert torch.equal(twice.positions[own], tokens.positions[first])
        assert own.nonzero()[0] == twice.first[number] == twice.host.first[number]
        assert own.nonzero()[-1] == twice.last[number]
    assert np.array_equal(twice.host.sequence_of, twice.sequence_of.numpy())


@pytest.mark.parametrize("left", [True, False])
def test_ages_count_back_from_the_last_item(left: bool) -> None:
    tokens = packed([[5, 6, 7], [8]])
    for form in (tokens, tokens.repeated(2), tokens.padded(4, 9, left)):
        own = form.last[form.sequence_of] - torch.arange(form.n_tokens)
        assert torch.equal(form.ages, own)


def test_times_and_members_stay_with_their_items_and_those_of_the_next_ones_too() -> None:
    """Items are their own places, so the next time is that of the item's place plus 1."""
    places = np.arange(10)
    starts, stops = np.array([5, 0, 4]), np.array([9, 3, 5])
    tokens = pack(places, starts, stops, CPU, times=100 + places**2, members=places % 3)
    for form in (tokens, tokens.repeated(2)):
        assert form.times is not None and form.next_times is not None
        assert form.members is not None and form.next_members is not None
        assert torch.equal(form.times, 100 + form.items**2)
        assert torch.equal(form.next_times, 100 + (form.items + 1) ** 2)
        assert torch.equal(form.members, form.items % 3)
        assert torch.equal(form.next_members, (form.items + 1) % 3)


@given(sequence_lists)
def test_a_row_for_each_sequence_meets_its_own_items(sequences: list[list[int]]) -> None:
    tokens = packed(sequences)
    rows = torch.arange(len(sequences)).unsqueeze(1)

    def joined(real: Tensor, row: Tensor, items: Tensor) -> Tensor:
        return torch.cat((row, (items * real).sum(1, keepdim=True)), 1)

    found = tokens.map_last(joined, rows, tokens.items)
    assert found.tolist() == [[number, sum(sequence)] for number, sequence in enumerate(sequences)]
