"""Find a suite's record by name or file; refuse a file that differs from what last ran under its name."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.errors import RequestError
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord, find_suite_record

if TYPE_CHECKING:
    from lrbench.data.dataset import PreparedDataset

__all__ = ["find_prepared", "recorded_suite"]

DECIDING = {
    "definition": "rows",
    "primary_metric": "primary metric",
    "proposed": "proposed labels",
    "against": "labels to compare them with",
    "margin": "margin",
}
"""Fields in which a file and a record must agree. Datasets and seeds may differ, as ``run`` has options
for them."""


def recorded_suite(results: Results, suite: str | None, verb: str = "report") -> SuiteRecord:
    """Read a suite's record. A suite file must agree with what ran last under its name.

    Args:
        results: the results folder.
        suite: name or file; ``None``: the suite that ran last.
        verb: the command that shows what ran last.

    Raises:
        RequestError: there is no such suite, or the file and the record differ.
    """
    record = find_suite_record(results, suite)
    if suite is not None and Path(suite).suffix == ".toml" and Path(suite).is_file():
        _refuse_another(Path(suite), record, results, verb)
    return record


def _refuse_another(path: Path, record: SuiteRecord, results: Results, verb: str) -> None:
    from lrbench.config.suite import read_suite_file
    from lrbench.execution.plan import make_plan
    from lrbench.execution.rows import resolve_rows

    file = read_suite_file(path)
    meant = make_plan(file, resolve_rows(file), {}).record
    differing = [what for field, what in DECIDING.items() if getattr(meant, field) != getattr(record, field)]
    if differing:
        raise RequestError(
            f'{path} is not what ran last as suite "{record.name}" in {results.root}: other '
            f"{' and '.join(differing)}.",
            f"Run the file, which keeps the trials that are done: {results.command('run', str(path))}\n"
            f"  Or name the suite to see what ran last: {results.command(verb, record.name)}",
        )


def find_prepared(
    record: "SuiteRecord", data_dir: Path | None, catalog: Path | None
) -> "Callable[[str], PreparedDataset | None]":
    """Return a function that finds a suite's prepared datasets on this machine; it fetches nothing."""
    from lrbench.data.dataset import load_prepared
    from lrbench.data.obtain import open_library

    library = open_library(data_dir, catalog)

    def find(name: str) -> "PreparedDataset | None":
        try:
            path = library.find_prepared(name, record.protocol.filters)
            return None if path is None else load_prepared(path)
        except (RequestError, OSError, ValueError):  # another catalogue, or prepared by another version
            return None

    return find
