"""What ``lrbench run`` does once its options are read: obtain data, plan, train, and say how it ended."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lrbench.cli.console import say
from lrbench.cli.fetch_progress import listener_for
from lrbench.cli.run_orders import run_and_show
from lrbench.cli.run_request import RunRequest
from lrbench.config.rerun import Rerun
from lrbench.config.trial import TrialConfig
from lrbench.config.tuning import SearchConfig
from lrbench.data.dataset import DatasetRecord, PreparedDataset, load_prepared
from lrbench.errors import LrbenchError
from lrbench.execution.learned import Learned
from lrbench.execution.order import TrialOrder
from lrbench.execution.plan import Plan, PlannedTrial, make_plan
from lrbench.execution.row_places import check_graph_device, check_sharing
from lrbench.execution.rows import Row, resolve_rows
from lrbench.execution.searches import (
    PlannedSearch,
    check_optuna,
    plan_searches,
    rows_with_settings,
    select_searches,
    without,
)
from lrbench.execution.selection import select_trials
from lrbench.store.commands import command
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.store.suites import add_to_suite
from lrbench.store.tidy import tidy
from lrbench.store.trials import read_record
from lrbench.wording import counted

__all__ = ["run_suite"]


def run_suite(request: RunRequest, console: Console) -> bool:
    """Run what is not done, and say how it ended.

    Searches for settings come first. The trials of tuned rows follow with the settings that were chosen.

    Returns:
        Whether every search and trial that was chosen is done.

    Raises:
        LrbenchError: data cannot be obtained, or no worker can be kept running.
    """
    results = request.results
    ready = _prepare(request, console)
    tidy(results)
    tuned = _tune(ready, request, console)
    plan = _plan(ready, request)
    chosen = select_trials(plan, results, request.only, request.rerun)
    add_to_suite(plan.record, results)
    _say_plan(plan, chosen, request, console)
    if not chosen:
        _say_end("Nothing to do." if tuned else "No trial can run.", plan, results, console)
        return tuned
    orders = [_order(trial.config, ready.folders, request) for trial in chosen]
    titles = {trial.config.id: _title(trial, ready.folders) for trial in chosen}
    view, broken = run_and_show(orders, titles, request, _learned(plan, results), console)
    tidy(results)  # again: a worker may have been killed after its trial was complete
    _say_end(f"{view.done} of {len(chosen)} trials done.", plan, results, console)
    if broken is not None:
        raise broken
    add_to_suite(plan.record, results)  # again: another run may have replaced the record meanwhile
    return tuned and view.done == len(chosen)


@dataclass(frozen=True)
class _Ready:
    """A suite whose data is there, by true dataset name."""

    rows: tuple[Row, ...]
    folders: dict[str, Path]
    prepared: dict[str, PreparedDataset]
    searches: tuple[PlannedSearch, ...]

    @property
    def fingerprints(self) -> dict[str, str]:
        return {name: dataset.record.fingerprint for name, dataset in self.prepared.items()}


def _prepare(request: RunRequest, console: Console) -> _Ready:
    """Check the request and obtain the data."""
    suite, library = request.suite, request.library
    rows = resolve_rows(suite)
    if suite.tune is not None:
        check_optuna()
    for name in suite.datasets:
        if library.catalogue.find(name).name != name:
            say(console, library.catalogue.describe(name))
    names = request.dataset_names
    check_sharing(rows, request.only, request.place.processes)
    request.place.check()  # this and the next checks come before anything is fetched
    check_graph_device(rows, request.place.device)
    empty_plan = make_plan(suite, rows, dict.fromkeys(names, ""))
    select_trials(empty_plan, request.results, request.only, request.rerun)
    with listener_for(console) as listener:
        folders = _folders(library.obtain_all(names, suite.protocol.filters, listener))
    prepared = {name: load_prepared(folder) for name, folder in folders.items()}
    for dataset in prepared.values():
        _say_dataset(dataset.record, console)
    fingerprints = {name: dataset.record.fingerprint for name, dataset in prepared.items()}
    return _Ready(rows, folders, prepared, plan_searches(suite, rows, fingerprints))


def _tune(ready: _Ready, request: RunRequest, console: Console) -> bool:
    """Run the searches that are missing; return whether all that were chosen are complete.

    Raises:
        LrbenchError: no worker can be kept running.
    """
    results, suite = request.results, request.suite
    chosen = select_searches(ready.searches, ready.rows, results, request.only, request.rerun)
    if not chosen or suite.tune is None:
        return True
    add_to_suite(_plan(ready, request).record, results)  # so that `status` knows the searches
    say(
        console,
        f"Tuning on validation: {len(chosen)} of {len(ready.searches)} searches to run, "
        f"{counted(suite.tune.trials, 'trial')} each.",
    )
    orders = [_order(search.config, ready.folders, request) for search in chosen]
    titles = {search.config.id: _search_title(search, ready.folders) for search in chosen}
    view, broken = run_and_show(orders, titles, request, Learned(), console)
    if broken is not None:
        raise broken
    return view.done == len(chosen)


def _plan(ready: _Ready, request: RunRequest) -> Plan:
    """Plan the trials of all rows that keep their settings or whose search is complete."""
    by_dataset = {}
    for name, dataset in ready.prepared.items():
        rows, waiting = rows_with_settings(
            request.suite, ready.rows, ready.searches, request.results, name, dataset
        )
        by_dataset[name] = without(rows, waiting)
    tuned = tuple(row for search in ready.searches for row in search.rows)
    return make_plan(request.suite, ready.rows, ready.fingerprints, by_dataset, tuned)


def _folders(obtained: Mapping[str, Path | LrbenchError]) -> dict[str, Path]:
    """Return the folders, or raise the first failure: a suite needs all its datasets."""
    folders = {}
    for name, found in obtained.items():
        if isinstance(found, LrbenchError):
            raise found
        folders[name] = found
    return folders


def _order(
    config: SearchConfig | TrialConfig, folders: Mapping[str, Path], request: RunRequest
) -> TrialOrder:
    return TrialOrder(
        config=config,
        dataset_folder=folders[config.dataset],
        results_folder=request.results.root.resolve(),
        device=request.place.device,
        threads=request.place.threads or 1,
        processes=request.place.processes,
        fresh=request.rerun is Rerun.all,
    )


def _learned(plan: Plan, results: Results) -> Learned:
    """Return what the suite's finished trials cost; a damaged one is left out."""
    learned = Learned()
    for trial in plan.trials:
        folder = results.trial(trial.config.id)
        if folder.is_dir():
            with suppress(LrbenchError):
                learned.add(read_record(folder))
    return learned


def _title(trial: PlannedTrial, datasets: Mapping[str, Path]) -> str:
    where = f"{trial.config.dataset} " if len(datasets) > 1 else ""
    return f"{where}{' = '.join(trial.labels)}, seed {trial.config.seed}"


def _search_title(search: PlannedSearch, datasets: Mapping[str, Path]) -> str:
    where = f"{search.config.dataset} " if len(datasets) > 1 else ""
    return f"{where}search for {' = '.join(search.labels)}"


def _say_dataset(record: DatasetRecord, console: Console) -> None:
    final = record.final
    sizes = ", ".join(final.sizes)
    say(console, f"{record.name}: {sizes}; {record.source}")
    for note in record.notes:
        say(console, f"  {note}")


def _say_end(what: str, plan: Plan, results: Results, console: Console) -> None:
    """Say how a run ended, and which command shows more."""
    any_done = any(trial_state(results, trial.config.id) == "done" for trial in plan.trials)
    more = "shows the table" if any_done else "shows what is left"
    hint = command("report" if any_done else "status", plan.suite.name, results)
    say(console, f"{what} {hint} {more}.")


def _say_plan(plan: Plan, chosen: Sequence[PlannedTrial], request: RunRequest, console: Console) -> None:
    protocol = plan.suite.protocol
    done = len(plan.trials) - len(chosen)
    say(
        console,
        f"Suite {plan.suite.name}: {len(chosen)} of {len(plan.trials)} trials to run "
        f"({done} done or left out), {request.place.describe(len(chosen))}. "
        f"Protocol {protocol.name}: {protocol.summary}.",
    )
