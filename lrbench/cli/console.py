"""Where words go: messages and progress to stderr, so that stdout holds nothing but results."""

from rich.console import Console

__all__ = ["message_console"]


def message_console() -> Console:
    """A console on stderr; it respects ``NO_COLOR`` and knows whether it is a terminal."""
    return Console(stderr=True, highlight=False)
