"""``lrbench import``: the trials of a suite that was exported elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.options import ResultsDir
from lrbench.paths import expanded

__all__ = ["import_suite"]


def import_suite(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", parser=expanded, help="A file that lrbench export --archive wrote."),
    ],
    results: ResultsDir = Path("results"),
) -> None:
    """Import a suite and its trials from an archive. The whole archive is checked first.

    Trials that the results folder already has are kept. If one of them differs, nothing is imported.
    """
    from lrbench.cli.console import message_console, say
    from lrbench.files import check_writable
    from lrbench.store.import_archive import import_archive
    from lrbench.store.layout import Results
    from lrbench.wording import counted

    layout = Results(results)
    check_writable(results)
    imported = import_archive(file, layout)
    console = message_console()
    say(console, f"{counted(imported.new, 'new trial')}; {imported.kept} were there already.")
    say(console, f"See the suite: {layout.command('report', imported.suite)}")
