"""``lrbench fetch``: download, verify and prepare datasets, and say what was used."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.console import message_console, say
from lrbench.cli.options import Catalog, DataDir, parse_pairs
from lrbench.commands import command
from lrbench.errors import InterruptError, LrbenchError, RequestError
from lrbench.paths import expanded

if TYPE_CHECKING:
    from rich.console import Console

    from lrbench.data.catalogue import Catalogue, Dataset
    from lrbench.data.dataset import PreparedDataset

__all__ = ["fetch"]


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Datasets, by name or alias.")],
    given: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PATH|URL",
            help="Take the data from this file, folder or address. The address of a mirror ends in a slash.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="user=A,item=B,time=C",
            help="Make a new dataset NAME from the CSV or Parquet file given by --from. A, B and C are names "
            "of its columns.",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Prepare with the filters of this protocol, not with the dataset's own."
        ),
    ] = None,
    data_dir: DataDir = None,
    catalog: Catalog = None,
) -> None:
    """Download, verify and prepare datasets.

    Datasets that are already prepared are reused. An interrupted download goes on where it stopped.
    """
    from lrbench.cli.fetch_progress import listener_for
    from lrbench.config.protocol import find_protocol
    from lrbench.data.obtain import open_library
    from lrbench.data.own_files import add_user_file, remember_user_file

    library = open_library(data_dir, catalog)
    user_files = library.folders.user_files
    own = None if columns is None else _user_file(names, given, columns)
    if own is not None:
        library = replace(library, catalogue=add_user_file(library.catalogue, own, user_files))
        given = None
    elif given is not None:
        _refuse_unknown_of_a_file(names, given, library.catalogue)
    _refuse_one_file_for_many(names, given)
    filters = find_protocol(protocol).filters if protocol else None
    console = message_console()
    try:
        with listener_for(console) as listener:
            outcomes = library.obtain_all(names, filters, listener, given)
    except KeyboardInterrupt:
        raise InterruptError("Run the same command again to go on from here.") from None
    for name, outcome in outcomes.items():
        if isinstance(outcome, Path):
            _say(name, outcome, library.catalogue, console)
    _raise_together([outcome for outcome in outcomes.values() if isinstance(outcome, LrbenchError)])
    if own is not None:
        remember_user_file(own, user_files)


def _user_file(names: Sequence[str], given: str | None, columns: str) -> "Dataset":
    """Return the entry that NAME, ``--from`` and ``--columns`` describe."""
    from lrbench.data.addresses import check_place, is_address
    from lrbench.data.own_files import user_file

    if len(names) != 1 or given is None:
        raise RequestError(
            "--columns describes one file of your own.",
            f"Write: {command('fetch', 'NAME', '--from', 'FILE', '--columns', 'user=A,item=B,time=C')}",
        )
    check_place(given, "--from")
    if is_address(given):
        raise RequestError("--columns describes a file on this machine.", "Download it, and name the file.")
    return user_file(names[0], expanded(given), parse_pairs(columns, "--columns"))


def _refuse_unknown_of_a_file(names: Sequence[str], given: str, catalogue: "Catalogue") -> None:
    """Refuse a file for a dataset that nobody knows. It is probably one of the user's own."""
    from lrbench.data.addresses import path_kind

    if len(names) == 1 and not catalogue.knows(names[0]) and path_kind(expanded(given)) == "file":
        raise RequestError(
            f'There is no dataset "{names[0]}".',
            "If the file is your own, name its columns: --columns user=A,item=B,time=C. "
            f"Otherwise see all names: {command('list', 'datasets')}",
        )


def _refuse_one_file_for_many(names: Sequence[str], given: str | None) -> None:
    from lrbench.data.addresses import path_kind, public_address

    if given is None or len(names) == 1 or given.endswith("/"):
        return
    if path_kind(expanded(given)) != "folder":
        raise RequestError(
            f"--from {public_address(given)} is one file for several datasets.",
            "Fetch them one by one, or end the address of a mirror with a slash.",
        )


def _say(name: str, folder: Path, catalogue: "Catalogue", console: "Console") -> None:
    """Say what a prepared dataset is, where it came from, how large it is and where it is kept."""
    from lrbench.data.dataset import load_prepared

    dataset = load_prepared(folder)
    record = dataset.record
    check = "checksum matches" if record.verified else "checksum not compared"
    lines = [
        catalogue.describe(name),
        f"  terms: {catalogue.find(name).licence}",
        f"  taken from {record.source}{'' if record.synthetic else f', {check}'}",
        *(f"  {count.step}: {', '.join(count.sizes)}" for count in record.counts),
        *_of_titles(dataset),
        *_of_times(dataset),
        *(f"  note: {note}" for note in (*record.reading, *record.notes)),
        f"  prepared in {folder}",
    ]
    for line in lines:
        say(console, line)


def _of_titles(dataset: "PreparedDataset") -> Iterator[str]:
    """Yield how far the dataset's titles tell its items apart; nothing if it has no titles."""
    from lrbench.data.audit import title_shares

    shares = title_shares(dataset.titles)
    if shares is None:
        return
    equal, scraps = shares
    yield f"  titles: {equal:.1%} are also those of another item, {scraps:.1%} are scraps of a web page"


def _of_times(dataset: "PreparedDataset") -> Iterator[str]:
    """Yield for how many users the times do not say which one of the last two interactions came last."""
    from lrbench.data.audit import last_two_tied

    if (tied := last_two_tied(dataset.sequences)) is not None:
        yield f"  times: {tied:.1%} of the users have their last two interactions at the same time"


def _raise_together(failures: Sequence[LrbenchError]) -> None:
    """Raise all failures as one error; a single one is raised as it is."""
    if len(failures) == 1:
        raise failures[0]
    if failures:
        kind = RequestError if any(isinstance(each, RequestError) for each in failures) else LrbenchError
        told = "\n".join(f"{failure.cause}\n  {failure.remedy}" for failure in failures)
        raise kind(f"{len(failures)} datasets could not be obtained.\n{told}")
