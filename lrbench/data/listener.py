"""What is told of a transfer while it runs."""

import time
from typing import Protocol

__all__ = ["Listener", "SilentListener"]


class Listener(Protocol):
    """Follows how fetching goes, and decides how to wait. Raising in any method interrupts the transfer."""

    def say(self, message: str) -> None:
        """Take a sentence for the person."""

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Take note that ``done`` of ``total`` bytes of a file are here; ``None``: the total is unknown."""

    def idle(self) -> None:
        """Take note that nothing arrives; called several times a second."""

    def pause(self, seconds: float) -> None:
        """Wait before another attempt."""


class SilentListener:
    """Says and shows nothing."""

    def say(self, message: str) -> None:
        """Ignore it."""

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Ignore it."""

    def idle(self) -> None:
        """Ignore it."""

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)
