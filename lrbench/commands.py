"""Commands that messages name, for the user to paste.

They repeat options of the command that prints them: the folders of results and of data, the catalogue, and
the plug-in files. Otherwise they would look elsewhere, or not know a dataset or a model.
"""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

from lrbench.errors import RequestError
from lrbench.plugins import plugin_files
from lrbench.toml_files import read_toml

__all__ = ["RESULTS", "TAKEN", "command", "repeating", "suite_file"]

TAKEN = {
    "fetch": ("--data-dir", "--catalog"),
    "import": ("--results",),
    "inspect": ("--data-dir", "--catalog"),
    "list datasets": ("--data-dir", "--catalog"),
    "list models": ("--plugin",),
    "list trials": ("--results",),
    "plot": ("--results", "--data-dir", "--catalog"),
    "report": ("--results", "--data-dir", "--catalog"),
    "run": ("--results", "--data-dir", "--catalog", "--plugin"),
    "status": ("--results",),
    "verify": ("--results", "--data-dir", "--catalog", "--plugin"),
}
"""Verb, for ``list`` with its kind → the options that it repeats."""

RESULTS = Path("results")
"""The results folder of a command without ``--results``."""

_called_with: list[str] = []
"""The arguments of the command line that this process runs; empty: it is used from Python."""


@contextmanager
def repeating(arguments: Sequence[str]) -> Iterator[None]:
    """Let the commands that are named within the block repeat the options of a command line.

    Args:
        arguments: of ``lrbench``, as typed.
    """
    _called_with[:] = arguments
    try:
        yield
    finally:
        _called_with.clear()


def command(*words: str, results: Path | None = None) -> str:
    """Return a command such as ``lrbench report tiny --results elsewhere``.

    Args:
        words: the verb, then its arguments, then its own options.
        results: the results folder that it shall use; ``None``: the one that was typed.
    """
    verb = " ".join(words[: 2 if words[0] == "list" else 1])
    options = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
    repeated = [part for option in TAKEN[verb] for part in _repeated(option, results)]
    return shlex.join(["lrbench", *words[:options], *repeated, *words[options:]])


def suite_file(name: str) -> str | None:
    """Return the file of a suite as it was typed, or ``NAME.toml``; ``None``: none of them is its file."""
    typed = [text for text in _called_with if text.endswith(".toml")]
    return next((text for text in (*typed, f"{name}.toml") if _is_file_of(Path(text), name)), None)


def _is_file_of(path: Path, name: str) -> bool:
    """Whether a file is that of the suite of this name."""
    with suppress(RequestError, OSError):
        content = read_toml(path, "suite file")
        return "models" in content and content.get("name") == name
    return False


def _repeated(option: str, results: Path | None) -> list[str]:
    """Return the words that give an option its value; none where it has its default."""
    if option == "--plugin":
        return [word for file in plugin_files() for word in (option, str(_as_typed(file)))]
    value = str(results) if option == "--results" and results is not None else _typed(option)
    if value is None or (option == "--results" and Path(value) == RESULTS):
        return []
    return [option, value]


def _typed(option: str) -> str | None:
    """Return the value with which an option was typed last; ``None``: it was not."""
    value = None
    for word, following in pairwise([*_called_with, ""]):
        if word == option:
            value = following
        elif word.startswith(f"{option}="):
            value = word.partition("=")[2]
    return value


def _as_typed(file: Path) -> Path:
    """Return a path as a person would type it: relative if the file is below the current folder."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
