"""Commands as a person can paste them, with the folder of results where it is not the usual one."""

import shlex
from pathlib import Path

from lrbench.store.layout import Results

__all__ = ["command", "command_to_run"]


def command(verb: str, suite: str, results: Results) -> str:
    """``lrbench report tiny --results elsewhere``."""
    words = ["lrbench", verb, suite]
    if results.root != Path("results"):
        words += ["--results", str(results.root)]
    return shlex.join(words)


def command_to_run(name: str, results: Results, rerun: str = "missing") -> str:
    """Run a suite known by its name alone: shipped suites are found by it, others in the file named so."""
    return f"{command('run', f'{name}.toml', results)} --rerun {rerun}"
