"""Errors that a person may see. Each says what went wrong and what to do about it."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["CheckError", "LrbenchError", "RequestError", "did_you_mean"]


class LrbenchError(Exception):
    """Something failed for a known reason: exit code 1.

    Args:
        cause: one sentence that says what went wrong.
        remedy: what the person can do about it; may be empty when nothing can be done.
    """

    exit_code = 1

    def __init__(self, cause: str, remedy: str = "") -> None:
        self.cause = cause
        self.remedy = remedy
        super().__init__(f"{cause} {remedy}".strip())


class RequestError(LrbenchError):
    """What was asked for is wrong (an option, a suite, a name, an unreadable file): exit code 2."""

    exit_code = 2


class CheckError(LrbenchError):
    """A check did not hold (a checksum, an expected count, a re-evaluated rank): exit code 1."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return ``Did you mean "x"?`` for the nearest candidate, or the list of all of them."""
    known = sorted(set(candidates))
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Known: {', '.join(known)}." if known else ""
