"""Commands that the user can paste. They name the results folder unless it is the default one."""

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.plugins import plugin_files
from lrbench.registry import MODELS
from lrbench.resources import suite_names
from lrbench.store.layout import Results

if TYPE_CHECKING:
    from lrbench.store.suites import SuiteRecord

__all__ = ["command", "command_to_run"]


def command(verb: str, suite: str, results: Results) -> str:
    """Return a command such as ``lrbench report tiny --results elsewhere``.

    A command that runs a suite also names the plug-in files that were given to this process.
    """
    return shlex.join(_words(verb, suite, results))


def command_to_run(suite: "SuiteRecord", results: Results, rerun: str = "missing") -> str:
    """Return the command that runs a suite, of which only the record is known.

    That is a suite which ships with lrbench, or ``NAME.toml``. If only some datasets of the file ran, the
    command names them. If a model is not known here, the command has ``--plugin FILE``.

    Args:
        suite: its record.
        results: where its trials are.
        rerun: which trials run again.
    """
    file = suite.name if suite.name in suite_names() else f"{suite.name}.toml"
    words = _words("run", file, results)
    if _some_unknown(suite.models):
        words += ["--plugin", "FILE"]
    if suite.part:
        words += ["--datasets", ",".join(suite.part)]
    return shlex.join([*words, "--rerun", rerun])


def _words(verb: str, suite: str, results: Results) -> list[str]:
    words = ["lrbench", verb, suite]
    if results.root != Path("results"):
        words += ["--results", str(results.root)]
    for file in plugin_files() if verb == "run" else ():
        words += ["--plugin", str(_as_typed(file))]
    return words


def _as_typed(file: Path) -> Path:
    """Return a path as a person would type it: relative if the file is below the current folder."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _some_unknown(models: Collection[str]) -> bool:
    """Whether a model is neither built in nor declared by a package or by a plug-in file given here."""
    return not set(models) <= set(MODELS.names())
