"""Sequences of different lengths as one flat run of tokens, without padding.

A network works on ``(tokens, width)`` and sees no padding. Some operations need the rectangular form
(attention, a recurrent cell). :meth:`Packed.by_group` gives it, one group of similar lengths at a time.
Little of the work is then on padding, and no number depends on it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.arrays import Int64s
from lrbench.data.groups import Group, cut_groups, repeated_indices
from lrbench.data.transfer import on_device

__all__ = ["HostTokens", "Packed", "pack"]


@dataclass(frozen=True)
class HostTokens:
    """The host's copy of packed sequences, so that no step has to ask the device. It is read-only."""

    items: Int64s  # (tokens,) item numbers
    positions: Int64s  # (tokens,) position in the sequence, from 0
    sequence_of: Int64s  # (tokens,) number of the sequence in the order given to `pack`
    first: Int64s  # (sequences,) token of the first item, in the order given to `pack`
    lengths: Int64s  # (sequences,) items of each sequence, in the order given to `pack`


@dataclass(frozen=True)
class Packed:
    """Sequences stored end to end, shortest first."""

    items: Tensor  # (tokens,) item numbers
    positions: Tensor  # (tokens,) position in the sequence, from 0
    ages: Tensor  # (tokens,) how many tokens before the last item of its sequence; negative for padding
    sequence_of: Tensor  # (tokens,) number of the sequence in the order given to `pack`
    first: Tensor  # (sequences,) token of the first item, in the order given to `pack`
    last: Tensor  # (sequences,) token of the last item, in the order given to `pack`
    groups: tuple[Group, ...]
    host: HostTokens
    times: Tensor | None = None  # (tokens,) time of each interaction, if the data has times
    next_times: Tensor | None = None  # (tokens,) time of the interaction after it
    members: Tensor | None = None  # (tokens,) member of the account, if the protocol makes accounts
    next_members: Tensor | None = None  # (tokens,) member of the interaction after it

    @property
    def n_tokens(self) -> int:
        """Tokens in all."""
        return self.items.shape[0]

    @property
    def n_sequences(self) -> int:
        """Sequences in all."""
        return self.last.shape[0]

    @property
    def lengths(self) -> Tensor:
        """Items of each sequence, (sequences,), in the order given to `pack`."""
        return self.last - self.first + 1

    def sums(self, flat: Tensor) -> Tensor:
        """Sum over the tokens of each sequence, (tokens, width) → (sequences, width)."""
        index = self.sequence_of.unsqueeze(-1).expand_as(flat)
        return flat.new_zeros(self.n_sequences, flat.shape[-1]).scatter_add(0, index, flat)

    def by_group(self, function: Callable[..., Tensor], *flat: Tensor) -> Tensor:
        """Apply ``function`` to the padded form, (sequences, length, …), of each group; return flat tokens.

        In the function, no position may depend on later positions. It sees padding on the right, which passes
        no gradient back.
        """
        return self.without_padding(function(*parts) for parts in self.padded_groups(*flat))

    def by_group_of_zeros(self, function: Callable[..., Tensor], *flat: Tensor) -> Tensor:
        """Apply ``function`` as :meth:`by_group` does, but pad with zeros.

        This is for weighted sums over positions, in which padding then counts nothing, wherever it is.
        """
        padded = self.padded_groups(*flat, pad=Group.pad_with_zeros)
        return self.without_padding(function(*parts) for parts in padded)

    def by_group_masked(self, function: Callable[..., Tensor], *flat: Tensor) -> Tensor:
        """Apply ``function`` as :meth:`by_group` does, and tell it which positions are real.

        This is for functions in which a position may depend on later positions. The first argument is
        (sequences, length), True at items and False at padding. No item may depend on padding.
        """
        padded = self.padded_groups(self.positions, *flat)
        return self.without_padding(function(_real(positions), *parts) for positions, *parts in padded)

    def padded_groups(
        self, *flat: Tensor, pad: Callable[[Group, Tensor], Tensor] = Group.pad
    ) -> Iterator[list[Tensor]]:
        """Yield the part of every tensor that belongs to each group, padded to (sequences, length, …)."""
        if len(self.groups) == 1:  # splitting would copy the gradient
            yield [pad(self.groups[0], tensor) for tensor in flat]
            return
        sizes = [group.end_token - group.first_token for group in self.groups]
        split = [torch.split(tensor, sizes) for tensor in flat]
        for group, *parts in zip(self.groups, *split, strict=True):
            yield [pad(group, part) for part in parts]

    def without_padding(self, padded: Iterable[Tensor]) -> Tensor:
        """Join the groups' tensors, (sequences, length, …) each, to (tokens, …)."""
        outputs = [group.unpad(part) for group, part in zip(self.groups, padded, strict=True)]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def appended(self, item: Int64s, kept: Int64s) -> "Packed":
        """Append an item to the latest items of each sequence.

        Args:
            item: the item that comes last, (sequences,), in the order given to `pack`.
            kept: how many of the latest items stay before it, (sequences,).
        """
        last, counts = self.host.first + self.host.lengths - 1, kept
        stops = np.cumsum(counts + 1)
        items = np.empty(stops[-1], dtype=np.int64)
        items[stops - 1] = item
        within = np.ones(len(items), dtype=np.bool_)
        within[stops - 1] = False
        ends = np.cumsum(counts)
        source = np.arange(ends[-1]) + np.repeat(last + 1 - ends, counts)
        items[within] = self.host.items[source]
        return pack(items, stops - counts - 1, stops, self.items.device)

    def repeated(self, count: int) -> "Packed":
        """The sequences ``count`` times, all tokens of one copy before those of the next.

        A single group stays a single one, which holds all copies.
        """
        host, tokens, sequences = self.host, self.n_tokens, self.n_sequences
        copies = range(count)
        if len(self.groups) == 1:
            groups = [self.groups[0].repeated(count)]
        else:
            groups = [group.moved(copy * tokens) for copy in copies for group in self.groups]
        return Packed(
            items=self.items.repeat(count),
            positions=self.positions.repeat(count),
            ages=self.ages.repeat(count),
            sequence_of=repeated_indices(self.sequence_of, count, sequences),
            first=repeated_indices(self.first, count, tokens),
            last=repeated_indices(self.last, count, tokens),
            groups=tuple(groups),
            host=HostTokens(
                items=np.tile(host.items, count),
                positions=np.tile(host.positions, count),
                sequence_of=np.concatenate([host.sequence_of + copy * sequences for copy in copies]),
                first=np.concatenate([host.first + copy * tokens for copy in copies]),
                lengths=np.tile(host.lengths, count),
            ),
            times=None if self.times is None else self.times.repeat(count),
            next_times=None if self.next_times is None else self.next_times.repeat(count),
            members=None if self.members is None else self.members.repeat(count),
            next_members=None if self.next_members is None else self.next_members.repeat(count),
        )

    def padded(self, length: int, item: int, left: bool) -> "Packed":
        """Lengthen every sequence to ``length`` tokens with an item that represents padding.

        Padding tokens count as tokens like any other. ``last`` still points to each last real item.
        """
        host, device, numbers = self.host, self.items.device, np.arange(self.n_sequences)
        before = length - host.lengths if left else np.zeros_like(host.lengths)  # (sequences,)
        items = np.full(self.n_sequences * length, item)
        items[host.sequence_of * length + host.positions + before[host.sequence_of]] = host.items
        padded = HostTokens(
            items=items,
            positions=np.tile(np.arange(length), self.n_sequences),
            sequence_of=np.repeat(numbers, length),
            first=numbers * length,
            lengths=np.full(self.n_sequences, length),
        )
        return Packed(
            items=on_device(padded.items, device),
            positions=on_device(padded.positions, device),
            ages=on_device((before + host.lengths - 1)[padded.sequence_of] - padded.positions, device),
            sequence_of=on_device(padded.sequence_of, device),
            first=on_device(padded.first, device),
            last=on_device(padded.first + before + host.lengths - 1, device),
            groups=(Group(0, len(items), self.n_sequences, length, None, None),),
            host=padded,
        )

    def places_when_padded(self, length: int, left: bool) -> Tensor:
        """The position of each token in the padded form, (tokens,)."""
        before = length - self.lengths[self.sequence_of] if left else 0
        return self.sequence_of * length + self.positions + before

    def map_last(self, function: Callable[..., Tensor], per_sequence: Tensor, *flat: Tensor) -> Tensor:
        """Apply ``function`` to one row per sequence and the padded form of each group; return the rows.

        Args:
            function: gets which positions are real, (sequences, length), the rows of the group's sequences,
                (sequences, …), and the padded tensors. It returns (sequences, …).
            per_sequence: (sequences, …), in the order given to `pack`.
            flat: (tokens, …) each.

        Returns:
            (sequences, …), in the order given to `pack`.
        """
        by_length = torch.argsort(self.first)  # (sequences,) numbers of the sequences as they are stored
        rows = torch.split(per_sequence[by_length], [group.sequences for group in self.groups])
        padded = self.padded_groups(self.positions, *flat)
        outputs = [
            function(_real(positions), own, *parts)
            for own, (positions, *parts) in zip(rows, padded, strict=True)
        ]
        place = torch.empty_like(by_length)
        place[by_length] = torch.arange(len(by_length), device=by_length.device)
        return torch.cat(outputs)[place]


def _real(positions: Tensor) -> Tensor:
    """Which positions hold an item, from padded token positions, (sequences, length) → the same.

    Padding repeats the last token of its sequence, so the two agree at items only.
    """
    return positions == torch.arange(positions.shape[1], device=positions.device)


def pack(
    items: NDArray[np.integer],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    device: torch.device,
    times: NDArray[np.int64] | None = None,
    padded_length: int | None = None,
    members: NDArray[np.int64] | None = None,
) -> Packed:
    """Store the ranges ``items[start:stop]`` end to end.

    Args:
        items: flat items, (interactions,).
        starts: first index of each range, (sequences,).
        stops: one past the last, (sequences,); every range holds at least one item.
        device: where to put the tensors.
        times: of all interactions, (interactions,), if they are known. After the end of each range there must
            be one more: the time of the interaction to be predicted.
        padded_length: if given, all sequences form one group, padded to this length.
        members: the member of its account to whom each interaction belongs, (interactions,). As with
            ``times``, there is one more after each range.

    Raises:
        ValueError: a range is empty.
    """
    lengths = stops - starts
    if lengths.min(initial=1) < 1:
        raise ValueError("a packed sequence needs at least one item")
    order = np.argsort(lengths, kind="stable")
    sorted_lengths = lengths[order]
    ends = np.cumsum(sorted_lengths)
    begins = ends - sorted_lengths
    positions = np.arange(ends[-1] if len(ends) else 0) - np.repeat(begins, sorted_lengths)
    source = positions + np.repeat(starts[order], sorted_lengths)
    first = np.empty_like(begins)
    first[order] = begins

    def tensor(values: NDArray[np.integer]) -> Tensor:
        return on_device(values.astype(np.int64, copy=False), device)

    host = HostTokens(
        items=items[source].astype(np.int64, copy=False),
        positions=positions,
        sequence_of=np.repeat(order, sorted_lengths),
        first=first,
        lengths=lengths,
    )
    return Packed(
        items=tensor(host.items),
        positions=tensor(positions),
        ages=tensor(np.repeat(sorted_lengths, sorted_lengths) - 1 - positions),
        sequence_of=tensor(host.sequence_of),
        first=tensor(first),
        last=tensor(first + lengths - 1),
        groups=tuple(cut_groups(sorted_lengths, begins, positions, device, padded_length)),
        host=host,
        times=None if times is None else tensor(times[source]),
        next_times=None if times is None else tensor(times[source + 1]),
        members=None if members is None else tensor(members[source]),
        next_members=None if members is None else tensor(members[source + 1]),
    )
