"""``lrbench export``: a suite's finished trials as one file, or its curves for another program."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.options import ResultsDir, SuiteName, check_output, parse_list
from lrbench.errors import RequestError
from lrbench.paths import absolute, check_folder, expanded

if TYPE_CHECKING:
    from lrbench.store.archive_form import ArchiveForm
    from lrbench.store.export_archive import Exported
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


Archive = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="FILE",
        parser=expanded,
        callback=_file,
        help="Write this zip file, which lrbench import reads.",
    ),
]
Datasets = Annotated[
    str | None,
    typer.Option(
        "--datasets", metavar="A,B", help="Archive only the trials on these datasets (names, patterns)."
    ),
]
Weights = Annotated[
    bool,
    typer.Option(
        "--weights", help="Archive the weights too: lrbench evaluate, recommend and verify need them."
    ),
]
Compact = Annotated[
    bool,
    typer.Option(
        "--compact", help="Make the archive two to four times smaller. It takes minutes, not seconds."
    ),
]
Brief = Annotated[
    bool,
    typer.Option(
        "--brief",
        help="Make it smaller still: leave out ranks that no table of the report needs. Implies --compact.",
    ),
]
To = Annotated[
    Tracker | None,
    typer.Option("--to", help="Write training curves and metrics by depth for this program."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        parser=expanded,
        callback=_new_folder,
        help="With --to: write this new folder.",
    ),
]


def export(
    suite: SuiteName = None,
    archive: Archive = None,
    datasets: Datasets = None,
    weights: Weights = False,
    compact: Compact = False,
    brief: Brief = False,
    to: To = None,
    output: Output = None,
    results: ResultsDir = Path("results"),
) -> None:
    """Write a suite and its finished trials into one file, which another machine can import.

    The archive holds the trials' records, ranks, histories and logs.
    It also holds what lrbench evaluate ranked later, and the searches for settings.
    With --to, training curves are written for another program instead.
    """
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.names import chosen_names
    from lrbench.store.export_archive import export_archive
    from lrbench.store.layout import Results

    if (archive is None) == (to is None):
        raise RequestError("What to write is not clear.", "Give either --archive FILE or --to PROGRAM.")
    of_archive = weights or compact or brief or datasets is not None
    if (to is None) != (output is None) or (of_archive and to is not None):
        raise RequestError(
            "--to goes with --output DIR, and --archive with --weights, --compact, --brief and --datasets.",
            "See lrbench export --help.",
        )
    if brief and weights:
        raise RequestError(
            "A brief archive holds no weights, since it lacks ranks to compare them with.",
            "Leave --brief or --weights out.",
        )
    layout = Results(results)
    record = recorded_suite(layout, suite, "status")
    if archive is not None:
        chosen = chosen_names(record.datasets, parse_list(datasets, "--datasets"), "dataset")
        form: ArchiveForm = "brief" if brief else "compact" if compact else "plain"
        exported = export_archive(record, layout, archive, chosen, form, weights)
        _tell(exported, archive, record.name)
    elif output is not None and to is not None:
        _curves(record, layout, output, to)


def _tell(exported: "Exported", path: Path, suite: str) -> None:
    from lrbench.cli.console import message_console, say
    from lrbench.wording import counted

    console = message_console()
    if exported.missing:
        total = exported.trials + exported.missing
        say(console, f"{exported.missing} of {total} trials are not finished, so the archive lacks them.")
    say(console, f"Wrote {path}: {counted(exported.trials, 'trial')} of suite {suite}.")


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
