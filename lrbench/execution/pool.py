"""Worker processes on this machine: one per slot, a slot being a share of a GPU or of the cores."""

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import IO

from lrbench.errors import RequestError
from lrbench.execution.events import Event, TrialDone, TrialFailed, parse_event
from lrbench.execution.trial import TrialOrder, record_failure

__all__ = ["Slot", "choose_slots", "run_pool"]


@dataclass(frozen=True)
class Slot:
    """Where one worker runs."""

    device: str  # "cpu", or "cuda" where the worker sees one GPU alone
    threads: int
    environment: dict[str, str] = field(default_factory=dict)


def choose_slots(gpus: Sequence[int], device: str | None, workers: int | None, trials: int) -> list[Slot]:
    """Decide where trials run.

    Args:
        gpus: GPU numbers.
        device: ``cpu``, ``cuda`` (the first GPU unless ``gpus`` says otherwise) or none: CPU.
        workers: worker processes, which share the cores and are dealt out over the GPUs; none: one per GPU,
            or one per core, as far as there are trials.
        trials: how many trials there are.

    Raises:
        RequestError: a GPU was asked for that is not there, or the wishes clash.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if device == "cpu" and gpus:
        raise RequestError("--device cpu and --gpus contradict each other.", "Leave one of them out.")
    if gpus or device == "cuda":
        wanted = list(dict.fromkeys(gpus)) or [0]
        _check_gpus(wanted)
        count = workers or len(wanted)
        threads, numbers = max(1, cores // count), islice(cycle(wanted), count)
        return [Slot("cuda", threads, {"CUDA_VISIBLE_DEVICES": _device_name(number)}) for number in numbers]
    count = workers or min(cores, max(trials, 1))
    threads = max(1, cores // count)
    return [Slot("cpu", threads, {"OMP_NUM_THREADS": str(threads)}) for _ in range(count)]


def run_pool(orders: Sequence[TrialOrder], slots: Sequence[Slot], watch: Callable[[Event], None]) -> None:
    """Run all orders, each in the next free slot, and pass on what the workers report.

    A worker that dies counts as a failure of its trial; the others go on. On an interrupt all
    workers are ended, which is no failure of theirs; their checkpoints stay.
    """
    waiting = deque(orders)
    news: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    ending = threading.Event()
    servers = [_Server(slot, waiting, news, ending) for slot in slots[: len(orders)]]
    for server in servers:
        server.start()
    try:
        for _ in servers:
            while (event := _next(news)) is not None:
                watch(event)
    finally:
        waiting.clear()
        ending.set()
        for server in servers:
            server.end()
            server.join()


def _next(news: "queue.SimpleQueue[Event | None]") -> Event | None:
    """Wait for news in short naps: Polars' interrupt handler lets a longer wait go on regardless."""
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
    """What CUDA calls a GPU of this process: where a scheduler lent some of several, numbers count those."""
    lent = os.environ.get("CUDA_VISIBLE_DEVICES")
    return lent.split(",")[number].strip() if lent else str(number)


class _Server(threading.Thread):
    """Hands orders to the worker of one slot, one after the other, and starts it anew after a failure."""

    def __init__(
        self,
        slot: Slot,
        waiting: deque[TrialOrder],
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

    def run(self) -> None:
        """Serve until no order is left."""
        try:
            while True:
                try:
                    order = self.waiting.popleft()
                except IndexError:
                    return
                update = {"device": self.slot.device, "threads": self.slot.threads}
                self._serve(order.model_copy(update=update))
        finally:
            self.news.put(None)

    def end(self) -> None:
        """End the worker, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait()

    def _serve(self, order: TrialOrder) -> None:
        process = self.process or self._start()
        if self.ending.is_set():  # whoever set it may have looked for a worker before this one was there
            self.end()
            return
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):  # it died before it could listen; the end of stdout below says so
            process.stdin.write(order.model_dump_json() + "\n")
            process.stdin.flush()
        for line in process.stdout:
            event = parse_event(line)
            self.news.put(event)
            if isinstance(event, TrialDone):
                return
            if isinstance(event, TrialFailed):
                self.end()
                return
        code = process.wait()
        self.process = None
        if self.ending.is_set():  # it was made to end
            return
        reason = f"the worker process ended with code {code}"
        path = record_failure(order, f"{reason}\n\n{self._last_words()}")
        self.news.put(TrialFailed(trial=order.config.id, reason=reason, error_file=str(path)))

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
