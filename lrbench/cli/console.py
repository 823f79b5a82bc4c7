"""Where words go: results to stdout, messages and progress to stderr.

Both consoles show text as it is: square brackets are no markup, and control characters appear as escapes.
They respect ``NO_COLOR`` and know whether they write to a terminal.
"""

from typing import Any

from rich.console import Console
from rich.text import Text

from lrbench.text import printable

__all__ = ["message_console", "result_console", "say"]


class _PlainConsole(Console):
    """A console that takes every string, also those in cells and titles of tables, as plain text."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the string as text without markup or control characters."""
        return super().render_str(printable(text), **options)


def message_console() -> Console:
    """Return a console on stderr."""
    return _PlainConsole(stderr=True, highlight=False, markup=False, emoji=False)


def result_console() -> Console:
    """Return a console on stdout."""
    return _PlainConsole(highlight=False, markup=False, emoji=False)


def say(console: Console, text: str) -> None:
    """Print text without markup. Lines are broken between words on a terminal, and not in a file or pipe."""
    console.print(Text(printable(text)), soft_wrap=not console.is_terminal)
