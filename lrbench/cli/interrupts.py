"""Ctrl-C during a run: once to stop after the next checkpoint, twice to stop at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from lrbench.cli.console import say

__all__ = ["stop_asked"]


@contextmanager
def stop_asked(console: Console) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed within the block.

    The first Ctrl-C is only noted, the second raises ``KeyboardInterrupt``. A process that ignores
    interrupts goes on ignoring them. Call this in the main thread.
    """
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say(console, "Stopping after the next checkpoint. Press Ctrl-C again to stop at once.")

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
