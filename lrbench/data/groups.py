"""Groups of sequences of similar length, and where to cut sorted lengths into groups."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrbench.data.transfer import on_device

__all__ = ["Group", "cut_groups", "repeated_indices"]

# Groups end at one of these lengths. Each is at most 1.5 times the previous one.
_LADDER = np.array([1, 2, 3, 4, 6, 9, 13, 20, 30, 45, 68, 100, 150, 225, 338, 507, 760, 1140, 1710, 2565])


@dataclass(frozen=True)
class Group:
    """A run of sequences of similar length that are padded together on the right."""

    first_token: int
    end_token: int  # one past the last token
    sequences: int
    length: int  # of the longest sequence
    padded_from: Tensor | None  # (sequences * length,) token at each padded position; `None`: equal lengths
    tokens_at: Tensor | None  # (tokens,) padded position of each token; `None`: equal lengths

    def moved(self, tokens: int) -> "Group":
        """The same group ``tokens`` tokens later."""
        return replace(self, first_token=self.first_token + tokens, end_token=self.end_token + tokens)

    def repeated(self, count: int) -> "Group":
        """One group that holds this one ``count`` times, one copy after the other."""
        tokens, places = self.end_token - self.first_token, self.sequences * self.length
        return Group(
            self.first_token,
            self.first_token + count * tokens,
            count * self.sequences,
            self.length,
            None if self.padded_from is None else repeated_indices(self.padded_from, count, tokens),
            None if self.tokens_at is None else repeated_indices(self.tokens_at, count, places),
        )

    def pad(self, part: Tensor) -> Tensor:
        """Return this group's tokens, (tokens, …), as (sequences, length, …).

        Padding repeats the last token of its sequence, so its values are finite. Under a causal mask no real
        token sees it, and :meth:`unpad` drops it.
        """
        if self.padded_from is not None:
            part = _Pad.apply(part, self.padded_from, self.tokens_at)  # type: ignore[no-untyped-call]
        return part.reshape(self.sequences, self.length, *part.shape[1:])

    def pad_with_zeros(self, part: Tensor) -> Tensor:
        """Do as :meth:`pad` does, but with zeros as padding, so that a sum over positions needs no mask."""
        if self.tokens_at is not None:
            part = _PadWithZeros.apply(part, self.tokens_at, self.sequences * self.length)  # type: ignore[no-untyped-call]
        return part.reshape(self.sequences, self.length, *part.shape[1:])

    def unpad(self, padded: Tensor) -> Tensor:
        """Return (sequences, length, …) as this group's tokens, (tokens, …)."""
        part = padded.reshape(self.sequences * self.length, *padded.shape[2:])
        if self.tokens_at is None:
            return part
        return _Unpad.apply(part, self.tokens_at)  # type: ignore[no-untyped-call]


def repeated_indices(indices: Tensor, count: int, size: int) -> Tensor:
    """Repeat indices for ``count`` copies of ``size`` elements, one after the other, (n,) → (count · n,)."""
    offsets = torch.arange(0, count * size, size, device=indices.device)
    return (offsets.unsqueeze(1) + indices).flatten()


class _Pad(torch.autograd.Function):
    """Copies tokens to padded positions. Padding passes no gradient, since no item sees it."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, padded_from: Tensor, tokens_at: Tensor) -> Tensor:
        ctx.save_for_backward(tokens_at)
        return tokens.index_select(0, padded_from)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (tokens_at,) = ctx.saved_tensors
        return gradient.index_select(0, tokens_at), None, None


class _PadWithZeros(torch.autograd.Function):
    """Copies tokens to padded positions, and zeros to the others."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, tokens_at: Tensor, n_places: int) -> Tensor:
        ctx.save_for_backward(tokens_at)
        return _among_zeros(tokens, tokens_at, n_places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (tokens_at,) = ctx.saved_tensors
        return gradient.index_select(0, tokens_at), None, None


class _Unpad(torch.autograd.Function):
    """Copies padded positions to tokens, each at most once, so that its gradient needs no sum."""

    @staticmethod
    def forward(ctx: Any, places: Tensor, tokens_at: Tensor) -> Tensor:
        ctx.save_for_backward(tokens_at)
        ctx.n_places = len(places)
        return places.index_select(0, tokens_at)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (tokens_at,) = ctx.saved_tensors
        return _among_zeros(gradient, tokens_at, ctx.n_places), None


def _among_zeros(tokens: Tensor, tokens_at: Tensor, n_places: int) -> Tensor:
    """Copy tokens to their places, and zeros to the others, (tokens, …) → (places, …)."""
    return tokens.new_zeros(n_places, *tokens.shape[1:]).index_copy_(0, tokens_at, tokens)


def cut_groups(
    lengths: NDArray[np.int64],
    begins: NDArray[np.int64],
    positions: NDArray[np.int64],
    device: torch.device,
    padded_length: int | None = None,
) -> list[Group]:
    """Cut sequences sorted by length into groups of similar length, so that they cost least on the device.

    Args:
        lengths: of the sequences, shortest first, (sequences,).
        begins: first token of each sequence, (sequences,).
        positions: of each token in its sequence, (tokens,).
        device: where the groups' indices are put.
        padded_length: if given, all sequences form one group of this length.
    """
    groups = []
    costs = _CPU if device.type == "cpu" else _ACCELERATOR
    bounds = _bounds(lengths, costs) if padded_length is None else [0, len(lengths)]
    for low, high in pairwise(bounds):
        longest = padded_length or int(lengths[high - 1])
        first_token, end_token = int(begins[low]), int(begins[high - 1] + lengths[high - 1])
        padded_from = tokens_at = None
        if lengths[low] != longest or padded_length is not None:
            places = np.minimum(np.arange(longest), lengths[low:high, None] - 1)  # (sequences, length)
            padded_from = on_device((places + (begins[low:high, None] - first_token)).ravel(), device)
            row = np.repeat(np.arange(high - low) * longest, lengths[low:high])
            tokens_at = on_device(row + positions[first_token:end_token], device)
        groups.append(Group(first_token, end_token, high - low, longest, padded_from, tokens_at))
    return groups


class _Costs(NamedTuple):
    """Cost of a group in attention, in microseconds. Only speed depends on it."""

    group: float  # fixed
    place: float  # for each padded position
    pair: float  # for each pair of padded positions


# Measured on two CPU cores at width 64. With a quarter of this cost per group, LARES takes a tenth longer.
_CPU = _Costs(group=800.0, place=0.1, pair=0.05)
# Estimated for an accelerator: about 40 kernels start in 5 µs each, and memory gives about 1 TB/s. Sequences
# of usual batches then share one group. Many long sequences are still cut, which also bounds the memory.
_ACCELERATOR = _Costs(group=200.0, place=0.002, pair=0.0001)


def _bounds(lengths: NDArray[np.int64], costs: _Costs) -> list[int]:
    """Choose where to cut sequences sorted by length, so that the groups cost least in all.

    Few groups mean much padding, and every group costs a call. Cuts are at rungs of the ladder. Dynamic
    programming over the first sequence of the last group finds the best ones.

    Returns:
        The first sequence of each group, then the number of sequences.
    """
    if not len(lengths):
        return [0]
    ends = np.cumsum(np.unique(np.searchsorted(_LADDER, lengths), return_counts=True)[1])
    longest = lengths[ends - 1].astype(np.float64)
    cheapest, begins = np.zeros(len(ends) + 1), np.zeros(len(ends) + 1, dtype=np.int64)
    sequences_before = np.concatenate([[0], ends])
    for rung, length in enumerate(longest):
        sequences = ends[rung] - sequences_before[: rung + 1]
        each = cheapest[: rung + 1] + sequences * length * (costs.place + length * costs.pair)
        begins[rung + 1] = each.argmin()
        cheapest[rung + 1] = each.min() + costs.group
    bounds = [len(ends)]
    while bounds[-1]:
        bounds.append(int(begins[bounds[-1]]))
    return [int(sequences_before[bound]) for bound in reversed(bounds)]
