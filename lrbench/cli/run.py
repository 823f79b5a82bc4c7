"""``lrbench run``: fetch what is missing, train what is not done, say what came of it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.bounds import LARGEST_GPU, LARGEST_SEED, MOST_SEEDS, MOST_WORKERS
from lrbench.cli.console import message_console
from lrbench.cli.options import Catalog, DataDir, Plugins, ResultsDir, parse_list, parse_numbers
from lrbench.errors import InterruptError, RequestError

if TYPE_CHECKING:
    from lrbench.config.suite import Suite

__all__ = ["run"]


class Device(StrEnum):
    """Where to train."""

    cpu = "cpu"
    cuda = "cuda"


class Rerun(StrEnum):
    """Which trials to run."""

    missing = "missing"
    failed = "failed"
    all = "all"


def run(
    suite: Annotated[str, typer.Argument(metavar="SUITE.toml", help="A suite file, or a shipped suite.")],
    gpus: Annotated[str | None, typer.Option(metavar="0,1", help="GPUs to train on.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=MOST_WORKERS, help="Worker processes on the GPUs or CPU cores."),
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Where to train; CPU unless GPUs are given.")] = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
    datasets: Annotated[str | None, typer.Option(metavar="A,B", help="Instead of the suite's.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="1,2,3", help="Instead of the suite's.")] = None,
    only: Annotated[str | None, typer.Option(metavar="PATTERN", help="Labels to run, e.g. 'LARES*'.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials and their cost.")] = False,
    rerun: Annotated[Rerun, typer.Option(help="Which trials to run.")] = Rerun.missing,
) -> None:
    """Train and evaluate the trials of a suite that are not done yet.

    Data that is not there is fetched and prepared first. An interrupted trial goes on from its last epoch.
    A trial that fails is recorded, the others go on, and the exit code is 1.
    """
    from lrbench.cli.run_suite import print_plan, run_plan
    from lrbench.config.suite import read_suite_file
    from lrbench.data.obtain import open_library
    from lrbench.files import check_writable
    from lrbench.resources import find_suite
    from lrbench.store.layout import Results

    chosen = _override(read_suite_file(find_suite(suite)), datasets, seeds)
    library = open_library(data_dir, catalog)
    gpu_numbers = parse_numbers(gpus, "--gpus", LARGEST_GPU)
    console = message_console()
    wishes = (gpu_numbers, device.value if device else None, workers)
    if dry_run:
        print_plan(chosen, library, Results(results), only, rerun.value, wishes)
        return
    check_writable(results)  # before anything is fetched
    try:
        failed = run_plan(chosen, library, Results(results), only, rerun.value, wishes, console)
    except KeyboardInterrupt:
        raise InterruptError("Run the same command again to go on from the last epoch.") from None
    if failed:
        raise typer.Exit(1)


def _override(suite: "Suite", datasets: str | None, seeds: str | None) -> "Suite":
    """Replace the suite's datasets and seeds by those of the command line."""
    changes: dict[str, tuple[str, ...] | tuple[int, ...]] = {}
    if datasets is not None:
        changes["datasets"] = tuple(parse_list(datasets, "--datasets"))
    if seeds is not None:
        numbers = tuple(dict.fromkeys(parse_numbers(seeds, "--seeds", LARGEST_SEED)))
        if len(numbers) > MOST_SEEDS:
            raise RequestError(
                f"--seeds names {len(numbers):,} seeds.", f"At most {MOST_SEEDS:,} can be run."
            )
        changes["seeds"] = numbers
    return suite.model_copy(update=changes)
