"""Run trials on this machine: one worker process per slot."""

import queue
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from lrbench.errors import LrbenchError
from lrbench.execution.events import LAST_EVENTS, Event, TrialDied, TrialFailed, TrialStarted
from lrbench.execution.failures import record_failure
from lrbench.execution.finished import done_event, finished_record
from lrbench.execution.order import TrialOrder
from lrbench.execution.slots import Slot
from lrbench.execution.workers.device_sharing import DeviceSharing
from lrbench.execution.workers.process import News, WorkerProcess
from lrbench.machine import kills_for_memory

__all__ = ["LocalExecutor"]


class LocalExecutor:
    """The workers of this machine; see :class:`lrbench.execution.executor.Executor`.

    A worker performs many orders one after the other, so it is started only once. After a failure it ends,
    and the slot's next order gets a new worker. A worker ends at once when this process ends, even if this
    process is killed.

    Args:
        slots: where workers run.
        sharing: which trials may share a device.
    """

    def __init__(self, slots: Sequence[Slot], sharing: DeviceSharing | None = None) -> None:
        self._sharing = sharing or DeviceSharing()
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._states = [_SlotState(slot) for slot in slots]
        self._failed_to_start: list[Event] = []

    @property
    def full(self) -> bool:
        """Whether every slot is taken or broken."""
        return all(state.order is not None or state.broken for state in self._states)

    @property
    def fault(self) -> str | None:
        """Why no worker can run in the last slot, if none can run in any slot; else ``None``."""
        reasons = [state.broken for state in self._states]
        return reasons[-1] if all(reasons) else None

    def submit(self, order: TrialOrder) -> bool:
        """Give an order to a free slot whose device has room for it."""
        free = (state for state in self._suitable(order.config.id) if state.order is None)
        state = next((each for each in free if self._sharing.admits(order, each.slot.name)), None)
        if state is None:
            return False
        slot = state.slot
        where = {"device": slot.device, "threads": slot.threads, "alone": self._hopeless(order, slot)}
        state.order = order.model_copy(update=where)
        state.memory_kills = kills_for_memory()
        self._sharing.begin(order, slot.name)
        try:
            state.worker = state.worker or WorkerProcess(slot.environment, self._news)
        except OSError as error:
            self._failed_to_start.append(self._broken(state, error))
        else:
            state.worker.give(state.order)
        return True

    def poll(self) -> list[Event]:
        """Return what the workers report.

        If there is no news, it waits 0.2 seconds at most. Polars installs an interrupt handler with which
        a longer wait could not be interrupted.
        """
        events, self._failed_to_start = self._failed_to_start, []
        with suppress(queue.Empty):
            news = self._news.get(timeout=0 if events else 0.2)
            while True:
                if (event := self._event(news)) is not None:
                    events.append(event)
                news = self._news.get_nowait()
        return events

    def stop(self) -> None:
        """Ask the workers that train to end after their next checkpoints."""
        for state in self._states:
            if state.worker is not None and state.order is not None:
                state.worker.stop()

    def close(self) -> None:
        """End all workers at once. The checkpoints of their trials stay."""
        for state in self._states:
            if state.worker is not None:
                state.worker.end()
                state.worker = None

    def _suitable(self, trial: str) -> "list[_SlotState]":
        """Return the slots that may have enough memory for a trial, or all if none may have."""
        there = [state for state in self._states if not state.broken]
        enough = [state for state in there if self._sharing.may_be_large_enough(trial, state.slot.name)]
        return enough or there

    def _isolated(self, order: TrialOrder, slot: Slot) -> bool:
        """Whether no other slot shares the memory of this one, or none may be used beside the order."""
        sharing = [state for state in self._states if state.slot.name == slot.name]
        return len(sharing) == 1 or self._sharing.isolates(order.config.id)

    def _hopeless(self, order: TrialOrder, slot: Slot) -> bool:
        """Whether an order that runs out of memory in a slot would do so again in every slot."""
        others = {state.slot.name for state in self._suitable(order.config.id)}
        larger = any(self._sharing.may_be_larger(name, slot.name) for name in others)
        return not larger and self._isolated(order, slot)

    def _event(self, news: News) -> Event | None:
        """Return the event that a worker reported, and free its slot if it was the last event of an order."""
        state = next((state for state in self._states if state.worker is news.worker), None)
        if state is None or state.worker is None:  # a worker that this process has ended
            return None
        match news.event:
            case None:
                return self._death(state, state.worker)
            case Exception():
                state.worker.end()
                return self._broken(state, news.event) if state.order is not None else None
            case TrialDied() as died:
                return self._relieved(died, state)
            case TrialStarted(device_bytes=int(size)) as started:
                self._sharing.measure(state.slot.name, size)
                return started
            case event:
                if isinstance(event, LAST_EVENTS):
                    self._free(state)
                    if isinstance(event, TrialFailed):
                        state.end_worker()
                return event

    def _death(self, state: "_SlotState", worker: WorkerProcess) -> Event | None:
        """Return the event with which a worker's order ends after its process ended; ``None``: no order."""
        order, killed = state.order, kills_for_memory() > state.memory_kills
        code = state.end_worker()
        if order is None:
            return None
        try:
            record = finished_record(order)
        except LrbenchError as error:  # it died and left a folder that cannot be read
            self._free(state)
            return record_failure(order.results, order.config.id, error)
        if record is not None:  # it died after it had put the record into place
            self._free(state)
            return done_event(record, (record.ended - record.started).total_seconds())
        why = " as the system ran out of memory" if killed else ""
        died = TrialDied(
            trial=order.config.id,
            reason=f"the worker process ended with code {code}{why}",
            details=worker.last_words(),
            out_of_memory=killed,
        )
        return self._relieved(died, state)

    def _relieved(self, died: TrialDied, state: "_SlotState") -> TrialDied:
        """Free the slot of a dead worker.

        If memory ran out, the next attempt shares the device with fewer others, or gets a larger one. The
        event is final if there can be no such attempt.
        """
        order, slot = state.order, state.slot
        assert order is not None
        if died.out_of_memory:
            final, isolated = self._hopeless(order, slot), self._isolated(order, slot)
            relief = "" if final else self._sharing.relieve(died.trial, slot.name, isolated)
            died = died.model_copy(update={"final": final, "relief": relief})
        state.end_worker()
        self._free(state)
        return died

    def _broken(self, state: "_SlotState", error: Exception) -> TrialFailed:
        """Give up a slot in which no worker can start, or whose worker sent a line that is no event."""
        order = state.order
        assert order is not None
        state.broken, state.worker = str(error), None
        self._free(state)
        return record_failure(order.results, order.config.id, error)

    def _free(self, state: "_SlotState") -> None:
        assert state.order is not None
        self._sharing.end(state.order.config.id, state.slot.name)
        state.order = None


@dataclass
class _SlotState:
    """A slot, the worker in it, and the order that it works on."""

    slot: Slot
    worker: WorkerProcess | None = None
    order: TrialOrder | None = None
    memory_kills: int = 0
    """How often this machine had killed a process for its memory when the order was given."""

    broken: str = ""
    """Why no worker can run in the slot; empty: one can."""

    def end_worker(self) -> int:
        """End the worker if there is one, and return its exit code."""
        worker, self.worker = self.worker, None
        return 0 if worker is None else worker.end()
