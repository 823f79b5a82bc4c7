"""Commands that the user can paste. They name the results folder unless it is the default one."""

import shlex
from pathlib import Path

from lrbench.store.layout import Results

__all__ = ["command", "command_to_run"]


def command(verb: str, suite: str, results: Results) -> str:
    """Return a command such as ``lrbench report tiny --results elsewhere``."""
    words = ["lrbench", verb, suite]
    if results.root != Path("results"):
        words += ["--results", str(results.root)]
    return shlex.join(words)


def command_to_run(name: str, results: Results, rerun: str = "missing") -> str:
    """Return the command that runs a suite of which only the name is known, from ``NAME.toml``."""
    return f"{command('run', f'{name}.toml', results)} --rerun {rerun}"
