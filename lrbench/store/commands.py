"""Commands that the user can paste. They name the results folder unless it is the default one."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from lrbench.resources import suite_names
from lrbench.store.layout import Results

__all__ = ["command", "command_to_run"]


def command(verb: str, suite: str, results: Results) -> str:
    """Return a command such as ``lrbench report tiny --results elsewhere``."""
    words = ["lrbench", verb, suite]
    if results.root != Path("results"):
        words += ["--results", str(results.root)]
    return shlex.join(words)


def command_to_run(name: str, results: Results, rerun: str = "missing", datasets: Sequence[str] = ()) -> str:
    """Return the command that runs a suite of which only the name is known.

    That is a suite which ships with lrbench, or ``NAME.toml``.

    Args:
        name: of the suite.
        results: where its trials are.
        rerun: which trials run again.
        datasets: those to run; empty: all of the suite.
    """
    file = name if name in suite_names() else f"{name}.toml"
    chosen = f" --datasets {shlex.quote(','.join(datasets))}" if datasets else ""
    return f"{command('run', file, results)}{chosen} --rerun {rerun}"
