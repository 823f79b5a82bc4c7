"""``lrbench run``: fetch missing data, train the trials that are not done, and say how they ended."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lrbench.bounds import LARGEST_GPU, LARGEST_SEED, MOST_SEEDS
from lrbench.cli import run_options as option
from lrbench.cli.console import message_console
from lrbench.cli.options import Catalog, DataDir, Plugins, ResultsDir, parse_list, parse_numbers
from lrbench.config.rerun import Rerun
from lrbench.errors import InterruptError, RequestError

if TYPE_CHECKING:
    from lrbench.cli.run_request import RunRequest
    from lrbench.config.suite import Suite
    from lrbench.data.catalogue import Catalogue
    from lrbench.store.layout import Results

__all__ = ["run"]


def run(
    suite: option.SuiteFile,
    gpus: option.Gpus = None,
    workers: option.Workers = None,
    threads: option.Threads = None,
    device: option.DeviceKind = None,
    trials_per_gpu: option.TrialsPerGpu = None,
    gpus_per_trial: option.GpusPerTrial = None,
    executor: option.Executor = option.Where.local,
    address: option.Address = None,
    partition: option.Partition = None,
    time: option.TimeLimit = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
    datasets: option.Datasets = None,
    seeds: option.Seeds = None,
    only: option.Only = None,
    dry_run: option.DryRun = False,
    rerun: option.WhatToRun = Rerun.missing,
) -> None:
    """Train and evaluate the trials of a suite that are not done yet.

    Missing data is fetched and prepared first. An interrupted trial goes on from its last epoch,
    except with --rerun all, which always begins from the start.
    If a trial fails, its error is recorded and the others go on. The exit code is then 1.
    """
    from lrbench.cli.dry_run import print_plan
    from lrbench.cli.place_options import PlaceOptions, make_place
    from lrbench.cli.run_request import RunRequest
    from lrbench.config.suite import read_suite_file
    from lrbench.data.obtain import open_library
    from lrbench.resources import find_suite
    from lrbench.store.layout import Results

    library = open_library(data_dir, catalog)
    request = RunRequest(
        suite=_override(read_suite_file(find_suite(suite)), datasets, seeds, library.catalogue),
        library=library,
        results=Results(results),
        only=tuple(parse_list(only, "--only")),
        rerun=rerun,
        place=make_place(
            PlaceOptions(
                executor=executor.value,
                gpus=tuple(parse_numbers(gpus, "--gpus", LARGEST_GPU)),
                device=device.value if device else None,
                workers=workers,
                threads=threads,
                trials_per_gpu=trials_per_gpu,
                gpus_per_trial=gpus_per_trial,
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
    _train(request)


def _train(request: "RunRequest") -> None:
    """Run the trials. If one of them fails, the exit code is 1."""
    from lrbench.cli.run_suite import run_suite

    try:
        all_done = run_suite(request, message_console())
    except KeyboardInterrupt:
        raise InterruptError(_how_to_go_on(request.rerun)) from None
    if not all_done:
        raise typer.Exit(1)


def _how_to_go_on(rerun: Rerun) -> str:
    if rerun is Rerun.all:
        return (
            "The same command trains all trials from the start. Trials that were not replaced are as before."
        )
    return "Run the same command again to go on, trials from their last epoch."


def _check_writable(results: "Results") -> None:
    """Refuse results that cannot be written, before anything is fetched or trained."""
    from lrbench.files import check_writable

    for folder in (results.root, *results.folders()):
        check_writable(folder)


def _override(suite: "Suite", datasets: str | None, seeds: str | None, catalogue: "Catalogue") -> "Suite":
    """Replace the suite's datasets and seeds by those of the command line, and aliases by true names."""
    changes: dict[str, object] = {
        "dataset_seeds": {catalogue.find(name).name: own for name, own in suite.dataset_seeds.items()}
    }
    if datasets is not None:
        changes["datasets"] = tuple(parse_list(datasets, "--datasets"))
    if seeds is not None:
        numbers = tuple(dict.fromkeys(parse_numbers(seeds, "--seeds", LARGEST_SEED)))
        if len(numbers) > MOST_SEEDS:
            raise RequestError(
                f"--seeds names {len(numbers):,} seeds.", f"At most {MOST_SEEDS:,} can be run."
            )
        changes |= {"seeds": numbers, "dataset_seeds": {}}
    return suite.model_copy(update=changes)
