"""Which trials may share a device: as many as its memory holds, and fewer after one ran out of it."""

from collections.abc import Callable, Collection, Mapping

from lrbench.execution.order import TrialOrder

__all__ = ["CONTEXT_BYTES", "Sharing"]

CONTEXT_BYTES = 600 * 2**20
"""Memory of a process on a GPU besides its tensors: the context of CUDA and the code of its kernels."""

_MARGIN = 1.2
"""Trials with another seed need a little more or less than the one that was measured."""


class Sharing:
    """The trials on each device of this machine.

    Args:
        capacity: device → bytes that its trials may use together. A device that is not in it is not
            watched: its slots alone limit its trials.
        peak_bytes: measured peak memory of trials like an order; ``None``: none was measured. Such a
            trial runs alone on a watched device, and so is measured.
    """

    def __init__(
        self,
        capacity: Mapping[str, int] | None = None,
        peak_bytes: Callable[[TrialOrder], int | None] = lambda order: None,
    ) -> None:
        self._capacity = capacity or {}
        self._peak_bytes = peak_bytes
        self._there: dict[str, dict[str, TrialOrder]] = {}
        self._most_beside: dict[str, int] = {}  # trial → with how many others it may share a device

    def admits(self, order: TrialOrder, device: str) -> bool:
        """Whether a trial may begin on a device beside those that are there."""
        there = self._there.get(device, {}).values()
        if not there:
            return True
        together = [order, *there]
        if any(len(there) > self._most_beside.get(each.config.id, len(there)) for each in together):
            return False
        return device not in self._capacity or self._fits(together, self._capacity[device])

    def begin(self, order: TrialOrder, device: str) -> None:
        """Say that a trial has begun on a device."""
        self._there.setdefault(device, {})[order.config.id] = order

    def end(self, trial: str, device: str) -> None:
        """Say that a trial on a device has ended, in whatever way."""
        self._there[device].pop(trial)

    def relieve(self, trial: str, device: str) -> bool:
        """Let a trial that ran out of memory have half as many beside it; return whether that is possible.

        Call it before :meth:`end`.
        """
        beside = len(self._there[device]) - 1
        self._most_beside[trial] = beside // 2
        return beside > 0

    def _fits(self, together: Collection[TrialOrder], capacity: int) -> bool:
        needs = [self._peak_bytes(order) for order in together]
        return all(need is not None for need in needs) and capacity >= sum(
            need * _MARGIN + CONTEXT_BYTES for need in needs if need is not None
        )
