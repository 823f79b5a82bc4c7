"""``lrbench run``: fetch what is missing, train what is not done, say what came of it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.bounds import LARGEST_GPU, LARGEST_SEED, MOST_SEEDS, MOST_WORKERS
from lrbench.cli.console import message_console
from lrbench.cli.options import Catalog, DataDir, Plugins, ResultsDir, parse_list, parse_numbers
from lrbench.config.rerun import Rerun
from lrbench.errors import InterruptError, RequestError

if TYPE_CHECKING:
    from lrbench.config.suite import Suite
    from lrbench.store.layout import Results

__all__ = ["run"]


class Where(StrEnum):
    """What runs the trials."""

    local = "local"
    ray = "ray"
    slurm = "slurm"


class Device(StrEnum):
    """Where to train."""

    cpu = "cpu"
    cuda = "cuda"


def run(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE.toml", help="A suite file, or the name of a suite that ships with lrbench."
        ),
    ],
    gpus: Annotated[
        str | None, typer.Option(metavar="0,1", help="Numbers of the GPUs to train on, e.g. 0,1 or 0-3.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=MOST_WORKERS, help="Worker processes that train at the same time."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=MOST_WORKERS,
            help="CPU threads of each worker; by default its share of the cores. "
            "Another number can change the last bits of the results.",
        ),
    ] = None,
    device: Annotated[
        Device | None, typer.Option(help="Where to train. The default is the CPU, or the GPUs of --gpus.")
    ] = None,
    trials_per_gpu: Annotated[
        str | None,
        typer.Option(
            metavar="auto|N",
            help="Trials that share a GPU: N, or auto: as many as its free memory holds, by the peaks of "
            "finished trials.",
        ),
    ] = None,
    executor: Annotated[
        Where, typer.Option(help="What runs the trials: this machine, a Ray cluster, or Slurm.")
    ] = Where.local,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Of the Ray cluster. The default, auto, is that of this machine."
        ),
    ] = None,
    partition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of Slurm. The default is Slurm's own.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time limit of a Slurm job: minutes, H:MM:SS or D-HH:MM:SS; 60 by default. "
            "A trial that takes longer goes on in another job.",
        ),
    ] = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
    datasets: Annotated[
        str | None, typer.Option(metavar="A,B", help="Datasets to run instead of those in the suite.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="1,2,3", help="Seeds to run instead of those in the suite.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Run only labels like this, e.g. 'LARES*'.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the trials and what they will cost; train nothing.")
    ] = False,
    rerun: Annotated[
        Rerun, typer.Option(help="Run what is missing, what failed, or everything again.")
    ] = Rerun.missing,
) -> None:
    """Train and evaluate the trials of a suite that are not done yet.

    Missing data is fetched and prepared first. An interrupted trial goes on from its last epoch.
    If a trial fails, the failure is recorded and the others go on; the exit code is then 1.
    """
    from lrbench.cli.dry_run import print_plan
    from lrbench.cli.place_options import PlaceOptions, make_place
    from lrbench.cli.run_request import RunRequest
    from lrbench.cli.run_suite import run_suite
    from lrbench.config.suite import read_suite_file
    from lrbench.data.obtain import open_library
    from lrbench.resources import find_suite
    from lrbench.store.layout import Results

    request = RunRequest(
        suite=_override(read_suite_file(find_suite(suite)), datasets, seeds),
        library=open_library(data_dir, catalog),
        results=Results(results),
        only=only,
        rerun=rerun,
        place=make_place(
            PlaceOptions(
                executor=executor.value,
                gpus=tuple(parse_numbers(gpus, "--gpus", LARGEST_GPU)),
                device=device.value if device else None,
                workers=workers,
                threads=threads,
                trials_per_gpu=trials_per_gpu,
                address=address,
                partition=partition,
                time=time,
            )
        ),
    )
    if dry_run:
        print_plan(request)
        return
    _check_writable(request.results)
    console = message_console()
    try:
        all_done = run_suite(request, console)
    except KeyboardInterrupt:
        raise InterruptError("Run the same command again to go on from the last epoch.") from None
    if not all_done:
        raise typer.Exit(1)


def _check_writable(results: "Results") -> None:
    """Refuse results that cannot be written, before anything is fetched or trained."""
    from lrbench.files import check_writable

    for folder in (results.root, *results.folders()):
        check_writable(folder)


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
