"""``lrbench export``: a suite's finished trials as one file."""

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.options import ResultsDir, SuiteName, check_output
from lrbench.errors import RequestError

__all__ = ["export"]


def _file(path: Path) -> Path:
    if str(path) == "-":
        raise RequestError("An archive cannot be written to standard output.", "Name a file.")
    check_output(path)
    return path


def export(
    suite: SuiteName = None,
    archive: Annotated[
        Path, typer.Option("--archive", metavar="FILE", callback=_file, help="The zip file to write.")
    ] = ...,  # type: ignore[assignment]
    weights: Annotated[
        bool, typer.Option("--weights", help="Include the weights, which evaluate and verify need.")
    ] = False,
    results: ResultsDir = Path("results"),
) -> None:
    """Write a suite's record and its finished trials into one file. Another machine imports it and reports.

    The archive holds ranks, records, histories and logs.
    """
    from lrbench.cli.console import message_console, say
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.store.export_archive import export_archive
    from lrbench.store.layout import Results
    from lrbench.wording import counted

    layout, console = Results(results), message_console()
    record = recorded_suite(layout, suite, "status")
    exported = export_archive(record, layout, archive, weights)
    if exported.missing:
        total = exported.trials + exported.missing
        say(console, f"Not finished, and so not in the archive: {exported.missing} of {total} trials.")
    say(console, f"Wrote {archive}: {counted(exported.trials, 'trial')} of suite {record.name}.")
