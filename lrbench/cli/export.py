"""``lrbench export``: a suite's finished trials as one file, or its curves for another program."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.options import ResultsDir, SuiteName, check_output
from lrbench.errors import RequestError
from lrbench.paths import absolute, check_folder, expanded

if TYPE_CHECKING:
    from lrbench.store.layout import Results
    from lrbench.store.suites import SuiteRecord

__all__ = ["export"]


class Tracker(StrEnum):
    """A program that shows curves of training."""

    tensorboard = "tensorboard"
    mlflow = "mlflow"
    wandb = "wandb"


def _file(path: Path | None) -> Path | None:
    if str(path) == "-":
        raise RequestError("An archive cannot be written to standard output.", "Name a file.")
    return check_output(path)


def _new_folder(path: Path | None) -> Path | None:
    from lrbench.files import check_writable

    if path is not None:
        check_folder(absolute(path))
        if path.exists():
            raise RequestError(f"{path} is there already.", "Name a new folder.")
        check_writable(absolute(path))
    return path


def export(
    suite: SuiteName = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            "--archive",
            metavar="FILE",
            parser=expanded,
            callback=_file,
            help="The zip file to write, for lrbench import.",
        ),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Archive the weights too, which evaluate and verify need.")
    ] = False,
    compact: Annotated[
        bool,
        typer.Option("--compact", help="A quarter of the archive's size, for minutes instead of seconds."),
    ] = False,
    to: Annotated[
        Tracker | None, typer.Option("--to", help="Write histories and metrics by depth for this program.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            parser=expanded,
            callback=_new_folder,
            help="With --to: the new folder to write.",
        ),
    ] = None,
    results: ResultsDir = Path("results"),
) -> None:
    """Write a suite's record and its finished trials into one file. Another machine imports it and reports.

    The archive holds ranks, records, histories and logs, what evaluate ranked later, and tuning.
    With --to: the curves for another program.
    """
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.store.layout import Results

    if (archive is None) == (to is None):
        raise RequestError("What to write is not clear.", "Give --archive FILE, or --to PROGRAM.")
    if (to is None) != (output is None) or ((weights or compact) and to is not None):
        raise RequestError(
            "--to goes with --output DIR, and --archive with --weights and --compact.",
            "See lrbench export --help.",
        )
    layout = Results(results)
    record = recorded_suite(layout, suite, "status")
    if archive is not None:
        _archive(record, layout, archive, weights, compact)
    elif output is not None and to is not None:
        _curves(record, layout, output, to)


def _archive(record: "SuiteRecord", layout: "Results", path: Path, weights: bool, compact: bool) -> None:
    from lrbench.cli.console import message_console, say
    from lrbench.store.export_archive import export_archive
    from lrbench.wording import counted

    exported, console = export_archive(record, layout, path, weights, compact), message_console()
    if exported.missing:
        total = exported.trials + exported.missing
        say(console, f"Not finished, and so not in the archive: {exported.missing} of {total} trials.")
    say(console, f"Wrote {path}: {counted(exported.trials, 'trial')} of suite {record.name}.")


def _curves(record: "SuiteRecord", layout: "Results", folder: Path, tracker: Tracker) -> None:
    import shlex

    from lrbench.cli.console import message_console, say
    from lrbench.store.export_mlflow import export_mlflow
    from lrbench.store.export_tensorboard import export_tensorboard
    from lrbench.store.export_wandb import export_wandb
    from lrbench.wording import counted

    match tracker:
        case Tracker.tensorboard:
            write, words = export_tensorboard, ["tensorboard", "--logdir", str(folder)]
        case Tracker.mlflow:
            write, words = export_mlflow, ["mlflow", "server", "--backend-store-uri", str(folder)]
        case Tracker.wandb:
            write, words = export_wandb, ["wandb", "sync", "--sync-all", str(folder / "wandb")]
    runs, console = write(record, layout, folder), message_console()
    say(console, f"Wrote {counted(runs, 'run')} of suite {record.name}.")
    say(console, f"{'Send' if tracker is Tracker.wandb else 'See'} them: {shlex.join(words)}")
