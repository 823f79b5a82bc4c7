"""Decide which trials may share a device: as many as fit into its memory, fewer after memory ran out.

A trial whose memory runs out although it is alone on its device goes to a device with more memory.
"""

import math
from collections.abc import Callable, Collection, Mapping

from lrbench.execution.order import TrialOrder

__all__ = ["CONTEXT_BYTES", "DeviceSharing"]

CONTEXT_BYTES = 600 * 2**20
"""Memory of a process on a GPU besides its tensors, in bytes: CUDA's context and the code of its kernels."""

_MARGIN = 1.2
"""Factor for a measured peak: trials with another seed need a little more or less memory."""


class DeviceSharing:
    """The trials on each device of this machine.

    Args:
        capacity: device → bytes that its trials may use together. The memory of other devices is not
            watched: the number of slots alone limits their trials.
        peak_bytes: returns the measured peak memory of trials like an order; ``None``: none was measured. A
            trial without a measured peak runs alone on a watched device, which measures it.
    """

    def __init__(
        self,
        capacity: Mapping[str, int] | None = None,
        peak_bytes: Callable[[TrialOrder], int | None] = lambda order: None,
    ) -> None:
        self._capacity = capacity or {}
        self._peak_bytes = peak_bytes
        self._there: dict[str, dict[str, TrialOrder]] = {}
        self._most_beside: dict[str, int] = {}  # trial → the number of others it may share a device with
        self._measured: dict[str, int] = {}  # device → its memory in bytes
        self._too_small: dict[str, set[str]] = {}  # trial → devices on which it ran out of memory alone

    def admits(self, order: TrialOrder, device: str) -> bool:
        """Whether a trial may begin on a device, given the trials that run there."""
        there = self._there.get(device, {}).values()
        if not there:
            return True
        together = [order, *there]
        if any(len(there) > self._most_beside.get(each.config.id, len(there)) for each in together):
            return False
        return device not in self._capacity or self._fits(together, self._capacity[device])

    def begin(self, order: TrialOrder, device: str) -> None:
        """Note that a trial has begun on a device."""
        self._there.setdefault(device, {})[order.config.id] = order

    def end(self, trial: str, device: str) -> None:
        """Note that a trial on a device has ended, in whatever way."""
        self._there[device].pop(trial)

    def measure(self, device: str, size: int) -> None:
        """Note the memory of a device in bytes."""
        self._measured[device] = size

    def relieve(self, trial: str, device: str, alone: bool) -> str:
        """Give the next attempt of a trial that ran out of memory more of it, and say how.

        If it was alone, it needs another device. Otherwise it shares the device with half as many others from
        now on. Call it before :meth:`end`.
        """
        if alone:
            self._too_small.setdefault(trial, set()).add(device)
            return "on another GPU"
        self._most_beside[trial] = (len(self._there[device]) - 1) // 2
        return "beside fewer trials"

    def may_be_larger(self, device: str, other: str) -> bool:
        """Whether a device has more memory than another one. One that is not measured may have more."""
        return device != other and self._measured.get(device, math.inf) > self._measured.get(other, 0)

    def may_be_large_enough(self, trial: str, device: str) -> bool:
        """Whether a device may have more memory than those on which a trial ran out of memory alone."""
        return all(self.may_be_larger(device, small) for small in self._too_small.get(trial, ()))

    def isolates(self, trial: str) -> bool:
        """Whether a trial has to be alone on its device, since memory ran out."""
        return self._most_beside.get(trial) == 0

    def _fits(self, together: Collection[TrialOrder], capacity: int) -> bool:
        needs = [self._peak_bytes(order) for order in together]
        return all(need is not None for need in needs) and capacity >= sum(
            need * _MARGIN + CONTEXT_BYTES for need in needs if need is not None
        )
