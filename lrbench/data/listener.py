"""How fetching reports its progress, and how it waits."""

import time
from typing import Protocol

__all__ = ["Listener", "SilentListener"]


class Listener(Protocol):
    """Follows how fetching goes, and decides how to wait. Raising in any method interrupts the transfer."""

    def say(self, message: str) -> None:
        """Receive a sentence for the user."""

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Hear that ``done`` of ``total`` bytes of a file are here; ``None``: the total is unknown."""

    def idle(self) -> None:
        """Hear that nothing arrives at the moment; called several times a second."""

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
