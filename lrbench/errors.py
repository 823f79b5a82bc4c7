"""Errors that a person may see. Each says what went wrong and what to do about it."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from lrbench.text import one_line, printable, shortened
from lrbench.wording import some_of

__all__ = [
    "CheckError",
    "FilterError",
    "InterruptError",
    "LrbenchError",
    "RequestError",
    "SettingsError",
    "did_you_mean",
    "nearest",
    "nearest_names",
    "not_installed",
]


_LONG_WORD = re.compile(r"(\S{100})\S{800,}(\S{100})")


class LrbenchError(Exception):
    """Something failed for a known reason: exit code 1.

    Messages quote files, servers and arguments: control characters become escapes, and words of more than
    1,000 characters are cut.

    Args:
        cause: one sentence that says what went wrong.
        remedy: what the person can do about it. It may be empty if nothing can be done.
    """

    exit_code = 1

    def __init__(self, cause: str, remedy: str = "") -> None:
        self.cause = _shown(cause)
        self.remedy = _shown(remedy)
        super().__init__(f"{self.cause} {self.remedy}".strip())


class RequestError(LrbenchError):
    """What was asked for is wrong (an option, a suite, a name, an unreadable file): exit code 2."""

    exit_code = 2


class FilterError(RequestError):
    """A dataset was read, but its filters cannot be applied or leave nothing of it: exit code 2."""


class CheckError(LrbenchError):
    """A check did not hold (a checksum, an expected count, a re-evaluated rank): exit code 1."""


class SettingsError(LrbenchError):
    """A trial is impossible with its settings, and may be possible with others: exit code 1.

    Its options cannot be combined, or numbers become NaN or infinite. A search goes on with other settings.
    """


class InterruptError(LrbenchError):
    """A person or the system ended the command: exit code 130, the code that shells use after Ctrl-C.

    Args:
        remedy: how to go on.
    """

    exit_code = 130

    def __init__(self, remedy: str = "") -> None:
        super().__init__("Interrupted.", remedy)


def _shown(text: str) -> str:
    """Return a message as it can be printed."""
    return _LONG_WORD.sub(r"\1…\2", printable(text))


def nearest_names(word: str, candidates: Iterable[str]) -> list[str]:
    """Return at most three candidates near a word, the nearest first. Case and hyphens do not count."""
    names = {_folded(name): name for name in sorted(set(candidates))}
    return [names[near] for near in get_close_matches(_folded(word), names, cutoff=0.5)]


def _folded(name: str) -> str:
    """Return a name in lower case without hyphens: suites write ``loss-matched``, reports *loss matched*."""
    return name.casefold().replace("-", " ").replace("_", " ")


def nearest(word: str, candidates: Iterable[str]) -> str:
    """Return ``Did you mean "x"?`` for the nearest candidate; empty if none is near."""
    near = nearest_names(word, candidates)
    return f'Did you mean "{one_line(near[0])}"?' if near else ""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return ``Did you mean "x"?`` for the nearest candidate. If none is near, list at most twenty."""
    known = sorted(set(candidates))
    listed = f"Known: {some_of([shortened(name) for name in known], 20)}." if known else ""
    return nearest(word, known) or listed


def not_installed(who: str, package: str, extra: str) -> RequestError:
    """Return the error for a request that needs an optional package.

    Args:
        who: who needs it, with the verb: ``"Plots need"``.
        package: what is missing.
        extra: the extra of lrbench that installs it.
    """
    return RequestError(f"{who} {package}, which is not installed.", f"pip install 'lrbench[{extra}]'")
