"""What is told of a transfer while it runs."""

import time
from typing import Protocol

__all__ = ["Listener", "SilentListener"]


class Listener(Protocol):
    """Whoever wants to know how fetching goes; also who decides how to wait."""

    def say(self, message: str) -> None:
        """Take a sentence for the person."""

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Take note that ``done`` of ``total`` bytes of a file are here; raising here interrupts."""

    def pause(self, seconds: float) -> None:
        """Wait before another attempt; raising here interrupts."""


class SilentListener:
    """Says and shows nothing."""

    def say(self, message: str) -> None:
        """Ignore it."""

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Ignore it."""

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)
