"""Reads TOML files that people write: suites and catalogues. Every fault of a file becomes a sentence."""

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lrbench.errors import RequestError
from lrbench.text import shortened

__all__ = ["parse_toml", "read_text", "read_toml"]

_LARGEST_FILE = 4 * 2**20
"""In bytes. Larger files take seconds to parse; the shipped catalogue has 55 kB."""

_DEEPEST = 20
"""Levels of tables within tables. Suites and catalogues need five."""


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file. Its values may be text, truth values, finite numbers, lists and tables.

    Args:
        path: the file.
        what: the kind of file in messages, such as ``suite file``.

    Raises:
        RequestError: there is no such file, it is too large, it is not TOML, or it holds another value.
    """
    return parse_toml(read_text(path, what), path, what)


def parse_toml(text: str, path: Path, what: str) -> dict[str, Any]:
    """Parse the text that :func:`read_text` read from ``path``; see :func:`read_toml`.

    Raises:
        RequestError: it is not TOML, or it holds another value than those of :func:`read_toml`.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path} is not valid TOML: {error}.", "Correct it there.") from None
    except RecursionError:
        raise RequestError(f"{path} nests too many tables or lists.", _flatter(what)) from None
    except ValueError:  # Python refuses to convert numbers of more than 4,300 digits
        raise RequestError(f"{path} holds a number of too many digits.", "Write a smaller one.") from None
    for place, fault in _faults(document):
        raise RequestError(f"{path}: {place} {fault}.", f"See what a {what} holds: README.md.")
    return document


def read_text(path: Path, what: str) -> str:
    """Read a text file in UTF-8, without its byte-order mark if it has one.

    Raises:
        RequestError: there is no such file, it is too large, or it is not UTF-8.
    """
    if path.is_dir():
        raise RequestError(f"{path} is a folder.", f"Give the path of a {what}.")
    if path.exists() and not path.is_file():
        raise RequestError(f"{path} is a device or a pipe.", f"Give the path of a {what}.")
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise RequestError(
            f"{path} cannot be read: {error.strerror}.", f"Give the path of a {what}."
        ) from None
    if len(content) > _LARGEST_FILE:
        raise RequestError(f"{path} has more than 4 MiB.", f"Give the path of a {what}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RequestError(
            f"{path} cannot be read: line {line} is not UTF-8.", "Save the file as UTF-8."
        ) from None


def _faults(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path of each value that no configuration can hold, and the reason. Nothing recurses here."""
    waiting: list[tuple[str, Any, int]] = [("", document, 0)]
    while waiting:
        place, value, depth = waiting.pop()
        if isinstance(value, dict | list):
            if depth > _DEEPEST:
                yield shortened(place), f"nests more than {_DEEPEST} tables or lists"
                return
            inner = value.items() if isinstance(value, dict) else ((place, entry) for entry in value)
            dotted = f"{place}." if place and isinstance(value, dict) else ""
            waiting += [(f"{dotted}{key}", entry, depth + 1) for key, entry in inner]
        elif isinstance(value, float) and not math.isfinite(value):
            yield place, f"= {value} is no finite number"
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            yield place, "is a whole number of more than 64 bits"
        elif not isinstance(value, str | int | float):
            yield place, f"= {value} is a date or a time, which no option takes"


def _flatter(what: str) -> str:
    return f"A {what} needs no more than {_DEEPEST} levels."
