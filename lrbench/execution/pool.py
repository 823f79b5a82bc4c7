"""Worker processes on this machine: one per slot, a slot being a share of a GPU or of the cores."""

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import IO

from lrbench.errors import LrbenchError, RequestError
from lrbench.execution.events import Event, TrialBusy, TrialDone, TrialFailed, parse_event, trial_done
from lrbench.execution.failures import record_failure
from lrbench.execution.trial import TrialOrder
from lrbench.execution.workers.waiting import WaitingOrders
from lrbench.machine import available_cores
from lrbench.store.trials import read_record
from lrbench.wording import counted

__all__ = ["Slot", "choose_slots", "run_pool"]


@dataclass(frozen=True)
class Slot:
    """Where one worker runs."""

    device: str  # "cpu", or "cuda": the worker then sees only one GPU
    threads: int
    environment: dict[str, str] = field(default_factory=dict)


def choose_slots(
    gpus: Sequence[int],
    device: str | None,
    workers: int | None,
    trials: int,
    threads: int | None = None,
) -> list[Slot]:
    """Decide where trials run.

    Args:
        gpus: GPU numbers.
        device: ``cpu``, ``cuda`` (the first GPU unless ``gpus`` says otherwise) or ``None``: the CPU.
        workers: worker processes, which share the cores and are spread over the GPUs. ``None``: one per GPU
            or core, but not more than there are trials.
        trials: how many trials there are.
        threads: CPU threads of each worker; ``None``: its share of the cores.

    Raises:
        RequestError: there is no such GPU, or the options contradict each other.
    """
    cores = available_cores()
    if device == "cpu" and gpus:
        raise RequestError("--device cpu and --gpus contradict each other.", "Leave one of them out.")
    if gpus or device == "cuda":
        wanted = list(dict.fromkeys(gpus)) or [0]
        _check_gpus(wanted)
        count = workers or len(wanted)
        threads, numbers = threads or max(1, cores // count), islice(cycle(wanted), count)
        return [Slot("cuda", threads, {"CUDA_VISIBLE_DEVICES": _device_name(number)}) for number in numbers]
    count = workers or min(cores, max(trials, 1))
    threads = threads or max(1, cores // count)
    return [Slot("cpu", threads, {"OMP_NUM_THREADS": str(threads)}) for _ in range(count)]


def run_pool(orders: Sequence[TrialOrder], slots: Sequence[Slot], watch: Callable[[Event], None]) -> None:
    """Run all orders, each in the next free slot, and pass on what the workers report.

    A worker that dies counts as a failure of its trial; the others go on. On an interrupt all
    workers are ended, which is no failure of their trials; their checkpoints stay.

    Raises:
        LrbenchError: no worker can be kept running, so that some trials have not begun.
    """
    waiting = WaitingOrders(orders)
    news: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    ending = threading.Event()
    runners = [_SlotRunner(slot, waiting, news, ending) for slot in slots[: len(orders)]]
    for runner in runners:
        runner.start()
    try:
        for _ in runners:
            while (event := _next(news)) is not None:
                watch(event)
        if len(waiting):
            reasons = [str(runner.broken) for runner in runners if runner.broken is not None]
            raise LrbenchError(
                f"{counted(len(waiting), 'trial')} did not begin, as no worker can be kept running: "
                f"{reasons[-1]}.",
                "Remove the cause and run the same command again.",
            )
    finally:
        waiting.close()
        ending.set()
        for runner in runners:
            runner.end()
            runner.join()


def _next(news: "queue.SimpleQueue[Event | None]") -> Event | None:
    """Wait for news in short naps: with Polars' interrupt handler a longer wait cannot be interrupted."""
    while True:
        with suppress(queue.Empty):
            return news.get(timeout=0.2)


def _check_gpus(wanted: Sequence[int]) -> None:
    import torch  # noqa: PLC0415 - slow to import, and needed only where GPUs are asked for

    there = torch.cuda.device_count()
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


class _SlotRunner(threading.Thread):
    """Feeds the worker process of one slot with orders, and starts a new one after a failure."""

    def __init__(
        self,
        slot: Slot,
        waiting: WaitingOrders,
        news: "queue.SimpleQueue[Event | None]",
        ending: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self.slot = slot
        self.waiting = waiting
        self.news = news
        self.ending = ending
        self.process: subprocess.Popen[str] | None = None
        self.messages: IO[bytes] | None = None
        self.broken: Exception | None = None

    def run(self) -> None:
        """Run orders until none is left, or until this process itself cannot go on."""
        try:
            while self.broken is None and (order := self.waiting.take()) is not None:
                self._run_order(order)
        finally:
            self.news.put(None)

    def end(self) -> None:
        """End the worker, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait()

    def _run_order(self, order: TrialOrder) -> None:
        """Have an order run, and pass on how it ended: nothing is done that was not reported done."""
        begun = datetime.now(UTC)
        update = {"device": self.slot.device, "threads": self.slot.threads}
        try:
            last = self._serve(order.model_copy(update=update))
            if last is None:
                if self.ending.is_set():  # the worker was made to end
                    return
                last = _completed(order, begun) or self._death(order)
        except Exception as error:  # no worker can be started, or what it sends or leaves cannot be read
            self.broken = error
            last = record_failure(order.results, order.config.id, error)
        if isinstance(last, TrialBusy):
            if self.waiting.put_back(order):
                self.news.put(last)
            return
        self.news.put(last)
        self.waiting.finish(order)
        if isinstance(last, TrialFailed):
            self.end()

    def _serve(self, order: TrialOrder) -> TrialDone | TrialFailed | TrialBusy | None:
        """Give an order to the worker and return its last event; ``None`` if the worker ended without one."""
        process = self.process or self._start()
        if self.ending.is_set():  # whoever set it may have looked before this worker was there
            self.end()
            return None
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):  # it died before it could listen; the end of stdout below says so
            process.stdin.write(order.model_dump_json() + "\n")
            process.stdin.flush()
        for line in process.stdout:
            event = parse_event(line)
            if isinstance(event, TrialDone | TrialFailed | TrialBusy):
                return event
            self.news.put(event)
        return None

    def _death(self, order: TrialOrder) -> TrialFailed:
        process, self.process = self.process, None
        code = process.wait() if process is not None else None
        reason = f"the worker process ended with code {code}"
        return record_failure(order.results, order.config.id, reason, self._last_words())

    def _start(self) -> subprocess.Popen[str]:
        self.messages = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self.process = process = subprocess.Popen(
            [sys.executable, "-m", "lrbench.execution.workers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.messages,
            text=True,
            env=os.environ | self.slot.environment,
            start_new_session=True,  # an interrupt at the terminal reaches this process alone
        )
        return process

    def _last_words(self) -> str:
        assert self.messages is not None
        self.messages.seek(0)
        return self.messages.read().decode(errors="replace")[-4000:]


def _completed(order: TrialOrder, begun: datetime) -> TrialDone | None:
    """Return the trial's end if its worker died only after it had put the trial's folder into place."""
    folder = order.results.trial(order.config.id)
    if not folder.is_dir():
        return None
    record = read_record(folder)
    if record.started < begun:  # the folder was there before, and the order was to train it again
        return None
    return trial_done(record, (record.ended - record.started).total_seconds())
