"""How counts, lists and durations are written in sentences, for every room."""

from collections.abc import Sequence

__all__ = ["about", "counted", "duration", "listed", "numbered", "some_of"]


def counted(number: int, thing: str, things: str | None = None) -> str:
    """``1 seed``, ``2 seeds``, ``10,000 seeds``. ``things`` is a plural that does not just add an s."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {things or f'{thing}s'}"


def duration(seconds: float) -> str:
    """``< 0.1 s``, ``43.1 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 0.1:
        return "< 0.1 s"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def about(seconds: float, at_most: bool = False) -> str:
    """``about 43.1 s``, ``at most about 43.1 s``; of less than a tenth of a second ``less than 0.1 s``."""
    if seconds < 0.1:
        return "less than 0.1 s"
    return f"{'at most ' if at_most else ''}about {duration(seconds)}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a, b and c``, or with another word before the last one."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def some_of(words: Sequence[str], limit: int = 10) -> str:
    """``a, b, c``. Of more than ``limit`` words: the first ones, and how many more there are."""
    more = len(words) - limit
    return ", ".join(words) if more <= 0 else f"{', '.join(words[:limit])} and {more:,} more"


def numbered(numbers: Sequence[int]) -> str:
    """``1, 2``, ``1–10``, ``1–3, 7``: three or more consecutive numbers become a range."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(str(number) for number in run) for run in runs
    )
