"""Run trials on this machine: one worker process per slot. A slot is a share of a GPU or of the cores."""

import os
import queue
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice

from lrbench.errors import LrbenchError, RequestError
from lrbench.execution.events import LAST_EVENTS, Event, TrialDied, TrialFailed
from lrbench.execution.failures import record_failure
from lrbench.execution.finished import done_event, finished_record
from lrbench.execution.order import TrialOrder
from lrbench.execution.workers.process import News, WorkerProcess
from lrbench.execution.workers.sharing import Sharing
from lrbench.machine import available_cores, kills_for_memory

__all__ = ["LocalExecutor", "Slot", "choose_shared_slots", "choose_slots"]


@dataclass(frozen=True)
class Slot:
    """Where one worker runs."""

    device: str
    """``cpu``, or ``cuda``: the worker then sees only the GPUs of its slot."""

    threads: int
    environment: dict[str, str] = field(default_factory=dict)
    """Variables for the worker, added to those of this process."""

    name: str = "cpu"
    """The device's name on this machine. Slots with the same name share its memory."""


def choose_slots(
    gpus: Sequence[int],
    device: str | None,
    workers: int | None,
    trials: int,
    threads: int | None = None,
    trials_per_gpu: int | None = None,
    pack: bool = False,
) -> list[Slot]:
    """Decide where trials run.

    Args:
        gpus: GPU numbers.
        device: ``cpu`` or ``cuda``. With ``cuda`` alone, the first GPU is used. ``None``: the GPUs of
            ``gpus``, or the CPU if there are none.
        workers: worker processes, which share the cores and are spread over the GPUs. ``None``: as
            ``trials_per_gpu`` says, or on the CPU one per core, but not more than there are trials.
        trials: how many trials there are.
        threads: CPU threads of each worker; ``None``: its share of the cores.
        trials_per_gpu: workers of each GPU; ``None``: one.
        pack: give each GPU as many workers as its share of the cores. Its memory then decides how many of
            them train at the same time, see :class:`Sharing`.

    Raises:
        RequestError: there is no such GPU, or the options contradict each other.
    """
    cores = available_cores()
    if (pack or trials_per_gpu) and not gpus and device != "cuda":
        raise RequestError("--trials-per-gpu needs GPUs.", "Give --gpus or --device cuda too.")
    if (pack or trials_per_gpu) and workers:
        raise RequestError("--workers and --trials-per-gpu contradict each other.", "Leave one of them out.")
    if device == "cpu" and gpus:
        raise RequestError("--device cpu and --gpus contradict each other.", "Leave one of them out.")
    if gpus or device == "cuda":
        wanted = list(dict.fromkeys(gpus)) or [0]
        _check_gpus(wanted)
        each = max(1, cores // len(wanted)) if pack else trials_per_gpu or 1
        count = workers or each * len(wanted)
        threads, numbers = threads or max(1, cores // count), islice(cycle(wanted), count)
        names = [_device_name(number) for number in numbers]
        return [Slot("cuda", threads, _only_gpus(name), name) for name in names]
    count = workers or min(cores, max(trials, 1))
    threads = threads or max(1, cores // count)
    return [Slot("cpu", threads, {"OMP_NUM_THREADS": str(threads)}) for _ in range(count)]


def choose_shared_slots(
    gpus: Sequence[int], device: str | None, each: int, threads: int | None = None
) -> list[Slot]:
    """Decide where trials run if each of them has several GPUs.

    Args:
        gpus: GPU numbers; empty: the first ``each``.
        device: ``cuda`` or ``None``; without GPU numbers it must be ``cuda``.
        each: GPUs of a trial, at least two.
        threads: CPU threads of each process of a trial; ``None``: its share of the cores.

    Raises:
        RequestError: there are too few GPUs, or their number is no multiple of ``each``.
    """
    if device == "cpu" or not (gpus or device == "cuda"):
        raise RequestError("--gpus-per-trial needs GPUs.", "Give --gpus or --device cuda too.")
    wanted = list(dict.fromkeys(gpus)) or list(range(each))
    there = _count_gpus()
    if each > min(there, len(wanted)):
        have = "--gpus names" if there >= each else "this machine has"
        raise RequestError(
            f"A trial asks for {each} GPUs, and {have} {min(there, len(wanted)) or 'none'}.",
            "Ask for fewer with --gpus-per-trial.",
        )
    _check_gpus(wanted)
    if len(wanted) % each:
        raise RequestError(
            f"{len(wanted)} GPUs cannot be divided among trials with {each} each.",
            f"Give --gpus a multiple of {each}.",
        )
    threads = threads or max(1, available_cores() // len(wanted))
    names = [_device_name(number) for number in wanted]
    groups = [",".join(names[first : first + each]) for first in range(0, len(names), each)]
    return [Slot("cuda", threads, _only_gpus(group), group) for group in groups]


class LocalExecutor:
    """The workers of this machine; see :class:`lrbench.execution.executor.Executor`.

    A worker performs many orders one after the other, so it is started only once. After a failure it ends,
    and the slot's next order gets a new worker. A worker ends at once when this process ends, even if this
    process is killed.

    Args:
        slots: where workers run.
        sharing: which trials may share a device.
    """

    def __init__(self, slots: Sequence[Slot], sharing: Sharing | None = None) -> None:
        self._sharing = sharing or Sharing()
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._places = [_Place(slot) for slot in slots]
        self._failed_to_start: list[Event] = []

    @property
    def full(self) -> bool:
        """Whether every slot is taken or broken."""
        return all(place.order is not None or place.broken for place in self._places)

    @property
    def fault(self) -> str | None:
        """Why no worker can run in the last slot, if none can run in any slot; else ``None``."""
        reasons = [place.broken for place in self._places]
        return reasons[-1] if all(reasons) else None

    def submit(self, order: TrialOrder) -> bool:
        """Give an order to a free slot whose device has room for it."""
        free = (place for place in self._places if place.order is None and not place.broken)
        place = next((each for each in free if self._sharing.admits(order, each.slot.name)), None)
        if place is None:
            return False
        slot = place.slot
        where = {"device": slot.device, "threads": slot.threads, "alone": self._alone(order, slot)}
        place.order = order.model_copy(update=where)
        place.memory_kills = kills_for_memory()
        self._sharing.begin(order, slot.name)
        try:
            place.worker = place.worker or WorkerProcess(slot.environment, self._news)
        except OSError as error:
            self._failed_to_start.append(self._broken(place, error))
        else:
            place.worker.give(place.order)
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
        for place in self._places:
            if place.worker is not None and place.order is not None:
                place.worker.stop()

    def close(self) -> None:
        """End all workers at once. The checkpoints of their trials stay."""
        for place in self._places:
            if place.worker is not None:
                place.worker.end()
                place.worker = None

    def _alone(self, order: TrialOrder, slot: Slot) -> bool:
        """Whether no other slot shares the memory of this one, or none may be used beside the order."""
        sharing = [place for place in self._places if place.slot.name == slot.name]
        return len(sharing) == 1 or self._sharing.isolates(order.config.id)

    def _event(self, news: News) -> Event | None:
        """Return the event that a worker reported, and free its slot if it was the last event of an order."""
        place = next((place for place in self._places if place.worker is news.worker), None)
        if place is None or place.worker is None:  # a worker that this process has ended
            return None
        match news.event:
            case None:
                return self._death(place, place.worker)
            case Exception():
                place.worker.end()
                return self._broken(place, news.event) if place.order is not None else None
            case TrialDied() as died:
                return self._relieved(died, place)
            case event:
                if isinstance(event, LAST_EVENTS):
                    self._free(place)
                    if isinstance(event, TrialFailed):
                        place.end_worker()
                return event

    def _death(self, place: "_Place", worker: WorkerProcess) -> Event | None:
        """Return the event with which a worker's order ends after its process ended; ``None``: no order."""
        order, killed = place.order, kills_for_memory() > place.memory_kills
        code = place.end_worker()
        if order is None:
            return None
        try:
            record = finished_record(order)
        except LrbenchError as error:  # it died and left a folder that cannot be read
            self._free(place)
            return record_failure(order.results, order.config.id, error)
        if record is not None:  # it died after it had put the record into place
            self._free(place)
            return done_event(record, (record.ended - record.started).total_seconds())
        why = " as the system ran out of memory" if killed else ""
        died = TrialDied(
            trial=order.config.id,
            reason=f"the worker process ended with code {code}{why}",
            details=worker.last_words(),
            out_of_memory=killed,
        )
        return self._relieved(died, place)

    def _relieved(self, died: TrialDied, place: "_Place") -> TrialDied:
        """Free the slot of a dead worker.

        If memory ran out, the trial will share the device with fewer others. The event is final if no other
        trial could have been there.
        """
        assert place.order is not None
        final = died.out_of_memory and place.order.alone
        if died.out_of_memory:
            self._sharing.relieve(died.trial, place.slot.name)
        place.end_worker()
        self._free(place)
        return died.model_copy(update={"final": final})

    def _broken(self, place: "_Place", error: Exception) -> TrialFailed:
        """Give up a slot in which no worker can start, or whose worker sent a line that is no event."""
        order = place.order
        assert order is not None
        place.broken, place.worker = str(error), None
        self._free(place)
        return record_failure(order.results, order.config.id, error)

    def _free(self, place: "_Place") -> None:
        assert place.order is not None
        self._sharing.end(place.order.config.id, place.slot.name)
        place.order = None


@dataclass
class _Place:
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


def _count_gpus() -> int:
    import torch  # noqa: PLC0415 - slow to import, and needed only where GPUs are asked for

    return torch.cuda.device_count()


def _check_gpus(wanted: Sequence[int]) -> None:
    there = _count_gpus()
    missing = [number for number in wanted if not 0 <= number < there]
    if missing:
        have = f"this machine has {there} (0 to {there - 1})" if there else "this machine has none"
        raise RequestError(
            f"There is no GPU {missing[0]}: {have}.", "Choose others with --gpus, or run with --device cpu."
        )


def _device_name(number: int) -> str:
    """Return the physical id of a GPU. If CUDA_VISIBLE_DEVICES is set, numbers index its list."""
    lent = os.environ.get("CUDA_VISIBLE_DEVICES")
    return lent.split(",")[number].strip() if lent else str(number)


def _only_gpus(names: str) -> dict[str, str]:
    """Return the environment of a worker that sees these GPUs only, by the numbers of ``nvidia-smi``.

    By itself CUDA calls the fastest GPU 0, and ``nvidia-smi`` the first one on the bus.
    """
    order = os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    return {"CUDA_DEVICE_ORDER": order, "CUDA_VISIBLE_DEVICES": names}
