"""The command that runs a suite of which only the record is known."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from lrbench.commands import suite_file
from lrbench.registry import MODELS
from lrbench.resources import suite_names
from lrbench.store.layout import Results

if TYPE_CHECKING:
    from lrbench.store.suites import SuiteRecord

__all__ = ["command_to_run"]


def command_to_run(suite: "SuiteRecord", results: Results, rerun: str = "missing") -> str:
    """Return the command that runs a suite again.

    It names the suite's file if that was typed or is in the current folder. Else it names a suite that ships
    with lrbench, or says ``SUITE.toml``. It names datasets and seeds if they are others than those of the
    file. If a model is not known here, the command has ``--plugin FILE``.

    Args:
        suite: its record.
        results: where its trials are.
        rerun: which trials run again.
    """
    shipped = suite.name if suite.name in suite_names() else None
    options = ["--plugin", "FILE"] if _some_unknown(suite.models) else []
    if suite.part:
        options += ["--datasets", ",".join(suite.part)]
    if suite.other_seeds:
        options += ["--seeds", ",".join(map(str, suite.other_seeds))]
    file = suite_file(suite.name) or shipped or "SUITE.toml"
    return results.command("run", file, *options, "--rerun", rerun)


def _some_unknown(models: Collection[str]) -> bool:
    """Whether a model is neither built in nor declared by a package or by a plug-in file given here."""
    return not set(models) <= set(MODELS.names())
