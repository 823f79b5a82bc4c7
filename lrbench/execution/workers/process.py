"""The worker process of one slot of this machine, as the scheduler sees it."""

import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from typing import IO, NamedTuple

from lrbench.execution.events import Event, parse_event
from lrbench.execution.order import TrialOrder

__all__ = ["News", "WorkerProcess"]


class News(NamedTuple):
    """One line of a worker's output, or its end."""

    worker: "WorkerProcess"
    event: Event | Exception | None
    """``None``: the output has ended. An exception: the line is no event."""


class WorkerProcess:
    """A process that was started for one slot.

    Args:
        environment: variables that are added to those of this process.
        news: the queue for what the worker reports. A thread fills it, which ends with the worker.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, environment: dict[str, str], news: "queue.SimpleQueue[News]") -> None:
        self._messages: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._news = news
        self.process = self._start(environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def give(self, order: TrialOrder) -> None:
        """Send an order. If the worker has died, this is ignored: the news says that its output has ended."""
        self._write(order.model_dump_json())

    def stop(self) -> None:
        """Ask the worker to end after the next checkpoint."""
        self._write("stop")

    def end(self) -> int:
        """End the process at once if it runs, and return its exit code."""
        self.process.terminate()
        code = self.process.wait()
        self._reader.join()
        return code

    def last_words(self) -> str:
        """Return the last 4,000 characters that the worker and its libraries wrote to standard error."""
        self._messages.seek(0)
        return self._messages.read().decode(errors="replace")[-4000:]

    def _start(self, environment: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lrbench.execution.workers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            env=os.environ | environment,
            start_new_session=True,  # an interrupt at the terminal reaches the scheduler alone
        )

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self._news.put(News(self, parse_event(line)))
        except ValueError as error:
            self._news.put(News(self, error))
        self._news.put(News(self, None))
