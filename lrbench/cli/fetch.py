"""``lrbench fetch``: download, verify and prepare datasets, and say what was used."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.console import message_console, say
from lrbench.cli.options import Catalog, DataDir, parse_pairs
from lrbench.errors import InterruptError, LrbenchError, RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from lrbench.data.catalogue import Catalogue, Dataset

__all__ = ["fetch"]


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Datasets, by name or alias.")],
    handed: Annotated[
        str | None,
        typer.Option("--from", metavar="PATH|URL", help="A file, folder or mirror to take the data from."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="user=A,item=B,time=C",
            help="With --from: NAME is a new dataset, a CSV or Parquet file of your own with these columns.",
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(metavar="NAME", help="Prepare for this protocol instead of the defaults.")
    ] = None,
    data_dir: DataDir = None,
    catalog: Catalog = None,
) -> None:
    """Download, verify and prepare datasets.

    What is complete already is used as it is; an interrupted download goes on where it was.
    """
    from lrbench.cli.fetch_progress import listener_for
    from lrbench.config.protocol import find_protocol
    from lrbench.data.catalogue import add_own, remember
    from lrbench.data.obtain import open_library

    library = open_library(data_dir, catalog)
    own = None if columns is None else _own_dataset(names, handed, columns)
    if own is not None:
        library, handed = (
            replace(library, catalogue=add_own(library.catalogue, own, library.folders.own)),
            None,
        )
    _refuse_one_file_for_many(names, handed)
    filters = find_protocol(protocol).filters if protocol else None
    console = message_console()
    try:
        with listener_for(console) as listener:
            outcomes = library.obtain_all(names, filters, listener, handed)
    except KeyboardInterrupt:
        raise InterruptError("The same command goes on from here.") from None
    for name, outcome in outcomes.items():
        if isinstance(outcome, Path):
            _say(name, outcome, library.catalogue, console)
    _raise_together([outcome for outcome in outcomes.values() if isinstance(outcome, LrbenchError)])
    if own is not None:
        remember(own, library.folders.own)


def _own_dataset(names: Sequence[str], handed: str | None, columns: str) -> "Dataset":
    """Return the entry that NAME, ``--from`` and ``--columns`` describe."""
    from lrbench.data.catalogue import own_file

    if len(names) != 1 or handed is None:
        raise RequestError(
            "--columns describes one file of your own.",
            "Write: lrbench fetch NAME --from FILE --columns user=A,item=B,time=C",
        )
    return own_file(names[0], Path(handed).expanduser(), parse_pairs(columns, "--columns"))


def _refuse_one_file_for_many(names: Sequence[str], handed: str | None) -> None:
    one_file = handed is not None and not handed.endswith("/") and not Path(handed).expanduser().is_dir()
    if one_file and len(names) > 1:
        raise RequestError(f"--from {handed} is one file for several datasets.", "Fetch them one by one.")


def _say(name: str, folder: Path, catalogue: "Catalogue", console: "Console") -> None:
    """Say what a prepared dataset is, where it came from, how large it is and where it lies."""
    from lrbench.data.dataset import load_prepared

    record = load_prepared(folder).record
    check = "checksum matches" if record.verified else "checksum not compared"
    lines = [
        catalogue.describe(name),
        f"  terms: {catalogue.find(name).licence}",
        f"  taken from {record.source}{'' if record.synthetic else f', {check}'}",
        *(
            f"  {count.step}: {count.users:,} users, {count.items:,} items, "
            f"{count.interactions:,} interactions"
            for count in record.counts
        ),
        *(f"  note: {note}" for note in (*record.reading, *record.notes)),
        f"  prepared in {folder}",
    ]
    for line in lines:
        say(console, line)


def _raise_together(failures: Sequence[LrbenchError]) -> None:
    """Raise what went wrong, as one error that says everything."""
    if len(failures) == 1:
        raise failures[0]
    if failures:
        kind = max(failures, key=lambda failure: failure.exit_code)
        told = "\n".join(f"{failure.cause}\n  {failure.remedy}" for failure in failures)
        raise type(kind)(f"{len(failures)} datasets could not be had.\n{told}")
