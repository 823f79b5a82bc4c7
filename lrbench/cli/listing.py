"""``lrbench list``: which datasets, models, suites and protocols there are, and which trials a suite has."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.columns import print_columns
from lrbench.cli.console import message_console, say
from lrbench.cli.options import Catalog, DataDir, Plugins, ResultsDir, parse_name
from lrbench.commands import command
from lrbench.errors import RequestError, did_you_mean

if TYPE_CHECKING:
    from lrbench.config.suite import Suite

__all__ = ["listing"]


class Kind(StrEnum):
    """What can be listed."""

    datasets = "datasets"
    models = "models"
    suites = "suites"
    protocols = "protocols"
    trials = "trials"


def listing(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What to list.")],
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PART",
            parser=parse_name,
            help="Only names that contain this, and datasets under such a heading. "
            "The whole name of a model prints its page. "
            "With trials: a suite's name or file. Without it: the suite that ran last.",
            show_default=False,
        ),
    ] = "",
    data_dir: DataDir = None,
    controls: Annotated[
        bool, typer.Option("--controls", help="With models: say what each control isolates.")
    ] = False,
    catalog: Catalog = None,
    results: ResultsDir = Path("results"),
    plugins: Plugins = None,
) -> None:
    """List datasets, models, suites or protocols, or the trials of a suite."""
    if controls:
        _print_controls(kind, pattern)
        return
    match kind:
        case Kind.datasets:
            from lrbench.cli.list_datasets import print_datasets
            from lrbench.data.obtain import open_library

            print_datasets(open_library(data_dir, catalog), pattern)
        case Kind.models:
            _print_models(pattern)
        case Kind.suites:
            _print_matching(kind, _suites(), pattern)
        case Kind.protocols:
            _print_matching(kind, _protocols(), pattern)
        case Kind.trials:
            _print_trials(pattern or None, results)


def _print_models(pattern: str) -> None:
    """Print the page of the model of this name, or a line for each model whose name contains the pattern."""
    from lrbench.cli.model_page import model_page
    from lrbench.registry import MODELS

    if pattern in MODELS.names():
        print(model_page(pattern))
        return
    _print_matching(Kind.models, _models(), pattern)
    page = command("list", "models", "NAME")
    say(message_console(), f"{page} shows its parameters, stages, options and their sources.")


def _print_matching(kind: Kind, rows: list[tuple[str, str]], pattern: str) -> None:
    """Print the rows, name and description, whose names contain the pattern."""
    shown = [row for row in rows if pattern.casefold() in row[0].casefold()]
    if not shown:
        raise RequestError(
            f'No name among the {kind.value} has "{pattern}" in it.',
            did_you_mean(pattern, [name for name, _ in rows]),
        )
    print_columns(shown)


def _print_trials(suite: str | None, folder: Path) -> None:
    """Print a line for each search and each trial of a suite: id, state, dataset, seed, label."""
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.store.layout import Results
    from lrbench.store.state import trial_state
    from lrbench.text import one_line

    results = Results(folder)
    record = recorded_suite(results, suite, "status")
    seed = str(record.tune.seed) if record.tune is not None else ""
    rows = [
        (row.search, trial_state(results, row.search), row.dataset, seed, f"search for {one_line(row.label)}")
        for row in record.searches
    ]
    rows += [
        (cell.trial, trial_state(results, cell.trial), cell.dataset, str(cell.seed), one_line(cell.label))
        for cell in record.trials
    ]
    print_columns(rows, wrapped=False)


def _print_controls(kind: Kind, pattern: str) -> None:
    from lrbench.config.controls import CONTROLS

    if kind is not Kind.models:
        raise RequestError("--controls belongs to models.", "lrbench list models --controls")
    if pattern:
        raise RequestError(
            f'--controls lists all controls; it takes no "{pattern}".', f"Leave {pattern} out."
        )
    print_columns(list(CONTROLS.items()))


def _models() -> list[tuple[str, str]]:
    from lrbench.registry import MODELS

    return [(name, _summary(name)) for name in MODELS.names()]


def _summary(name: str) -> str:
    """Return what a model is, or why it cannot be loaded: one broken package hides no other model."""
    from lrbench.registry import MODELS

    try:
        return MODELS.load(name).summary
    except RequestError as error:
        return error.cause


def _suites() -> list[tuple[str, str]]:
    from lrbench.config.suite import read_suite_file
    from lrbench.resources import find_suite, suite_names
    from lrbench.wording import counted

    rows = []
    for name in suite_names():
        suite = read_suite_file(find_suite(name))
        controls = sum(len(entry.controls) for entry in suite.models)
        labels = counted(len(suite.models), "row") + (
            f" and {counted(controls, 'control')}" if controls else ""
        )
        seeds = _numbers_of_seeds(suite)
        rows.append((name, f"{suite.protocol.name}: {labels} × {', '.join(suite.datasets)} × {seeds}"))
    return rows


def _numbers_of_seeds(suite: "Suite") -> str:
    """Return how many seeds a suite has, and on which datasets it has another number."""
    from lrbench.wording import counted

    others = ", ".join(f"{len(seeds)} on {name}" for name, seeds in suite.dataset_seeds.items())
    return counted(len(suite.seeds), "seed") + (f" ({others})" if others else "")


def _protocols() -> list[tuple[str, str]]:
    from lrbench.config.protocol import PROTOCOLS

    return [(name, entry.summary) for name, entry in PROTOCOLS.items()]
