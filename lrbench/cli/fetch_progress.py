"""How fetching is shown: bars with speed and time left on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from lrbench.cli.console import say
from lrbench.data.listener import Listener, SilentListener

__all__ = ["listener_for"]

_SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def listener_for(console: Console) -> Iterator[Listener]:
    """Yield a listener that shows transfers on ``console`` until the block ends."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress)


class _Bars(SilentListener):
    """A bar for each file; several may move at once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._lock = Lock()

    def say(self, message: str) -> None:
        """Print above the bars."""
        say(self._progress.console, message)

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Move the file's bar."""
        with self._lock:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, completed=done, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)


class _Lines(SilentListener):
    """A line for each file every few seconds, and one when it is complete."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: dict[str, tuple[float, int]] = {}
        self._printed: dict[str, float] = {}
        self._lock = Lock()

    def say(self, message: str) -> None:
        """Print a line."""
        say(self._console, message)

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        with self._lock:
            begun, first = self._begun.setdefault(name, (now, done))
            if done < first:  # it starts again
                begun, first = self._begun[name] = now, done
            complete = done == total
            if not complete and now - self._printed.setdefault(name, now) < _SECONDS_BETWEEN_LINES:
                return
            self._printed[name] = now
        speed = (done - first) / max(now - begun, 1e-3)
        self.say(f"{name}: {_progress(done, total, speed)}")


def _progress(done: int, total: int | None, speed: float) -> str:
    """Say how far a transfer is: bytes, speed in bytes per second, and the time left if it is known."""
    if total is None:
        return f"{_megabytes(done)}, {_megabytes(speed)}/s"
    if done == total:
        return f"{_megabytes(done)}, complete"
    left = f", {(total - done) / speed:.0f} s left" if speed else ""
    return f"{_megabytes(done)} of {_megabytes(total)}, {_megabytes(speed)}/s{left}"


def _megabytes(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"
