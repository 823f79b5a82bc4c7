"""What ``lrbench run`` does once its options are read: obtain data, plan, train, say what came of it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from lrbench.cli.console import say
from lrbench.cli.fetch_progress import listener_for
from lrbench.cli.interrupts import stop_asked
from lrbench.cli.run_progress import make_view
from lrbench.cli.run_request import RunRequest
from lrbench.config.rerun import Rerun
from lrbench.data.dataset import DatasetRecord, load_prepared
from lrbench.errors import LrbenchError
from lrbench.execution.learned import Learned
from lrbench.execution.plan import Plan, PlannedTrial, make_plan
from lrbench.execution.rows import match_rows, resolve_rows
from lrbench.execution.schedule import run_orders
from lrbench.execution.selection import select_trials
from lrbench.execution.trial import TrialOrder
from lrbench.store.commands import command
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.store.suites import add_to_suite
from lrbench.store.tidy import tidy
from lrbench.store.trials import read_record

__all__ = ["run_suite"]


def run_suite(request: RunRequest, console: Console) -> bool:
    """Run what is not done, and say what came of it.

    Returns:
        Whether every trial that was chosen is done.

    Raises:
        LrbenchError: data cannot be obtained, or no worker can be kept running.
    """
    results = request.results
    plan, folders = _prepare(request, console)
    tidy(results)
    chosen = select_trials(plan, results, request.only, request.rerun)
    add_to_suite(plan.record, results)
    _say_plan(plan, chosen, request, console)
    if not chosen:
        _say_end("Nothing to do.", plan, results, console)
        return True
    orders = [_order(trial, folders, request) for trial in chosen]
    titles = {trial.config.id: _title(trial, folders) for trial in chosen}
    broken: LrbenchError | None = None
    learned = _learned(plan, results)
    executor = request.place.open(results, len(orders), learned)
    with (
        make_view(console, titles, plan.suite.protocol.selection_metric) as view,
        stop_asked(console) as stop,
    ):
        try:
            run_orders(orders, executor, view.show, learned, stop)
        except LrbenchError as error:
            broken = error  # what was done until then is told first
    tidy(results)  # again: a worker may have been killed after its trial was complete
    for failure in view.failed:
        say(console, f"Failed: {titles[failure.trial]}: {failure.reason}")
    _say_end(f"{view.done} of {len(chosen)} trials done.", plan, results, console)
    if broken is not None:
        raise broken
    add_to_suite(plan.record, results)  # again: another run may have replaced the record meanwhile
    return view.done == len(chosen)


def _prepare(request: RunRequest, console: Console) -> tuple[Plan, dict[str, Path]]:
    """Check the request, obtain the data and plan the trials; return the plan and the data's folders."""
    suite, library = request.suite, request.library
    rows = resolve_rows(suite)
    for name in suite.datasets:
        if library.catalogue.find(name).name != name:
            say(console, library.catalogue.describe(name))
    names = request.dataset_names
    request.place.check()  # this and the next refuse what cannot be before anything is fetched
    empty_plan = make_plan(suite, rows, dict.fromkeys(names, ""))
    select_trials(empty_plan, request.results, request.only, request.rerun)
    with listener_for(console) as listener:
        folders = _folders(library.obtain_all(names, suite.protocol.filters, listener))
    prepared = {name: load_prepared(folder) for name, folder in folders.items()}
    for dataset in prepared.values():
        _say_dataset(dataset.record, console)
    matched = {name: match_rows(rows, dataset) for name, dataset in prepared.items()}
    fingerprints = {name: dataset.record.fingerprint for name, dataset in prepared.items()}
    return make_plan(suite, rows, fingerprints, matched), folders


def _folders(obtained: Mapping[str, Path | LrbenchError]) -> dict[str, Path]:
    """Return the folders, or raise the first failure: no suite begins without one of its datasets."""
    folders = {}
    for name, found in obtained.items():
        if isinstance(found, LrbenchError):
            raise found
        folders[name] = found
    return folders


def _order(trial: PlannedTrial, folders: Mapping[str, Path], request: RunRequest) -> TrialOrder:
    return TrialOrder(
        config=trial.config,
        dataset_folder=folders[trial.config.dataset],
        results_folder=request.results.root.resolve(),
        device=request.place.device,
        threads=request.place.threads or 1,
        fresh=request.rerun is Rerun.all,
    )


def _learned(plan: Plan, results: Results) -> Learned:
    """What the suite's finished trials tell about those to come; a damaged one tells nothing."""
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


def _say_dataset(record: DatasetRecord, console: Console) -> None:
    final = record.final
    sizes = f"{final.users:,} users, {final.items:,} items, {final.interactions:,} interactions"
    say(console, f"{record.name}: {sizes}; {record.source}")
    for note in record.notes:
        say(console, f"  {note}")


def _say_end(what: str, plan: Plan, results: Results, console: Console) -> None:
    """Say what came of a run, and which command shows more."""
    any_done = any(trial_state(results, trial.config.id) == "done" for trial in plan.trials)
    more = "shows the table" if any_done else "shows what is left"
    hint = command("report" if any_done else "status", plan.suite.name, results)
    say(console, f"{what} {hint} {more}.")


def _say_plan(plan: Plan, chosen: Sequence[PlannedTrial], request: RunRequest, console: Console) -> None:
    rules = plan.suite.protocol
    done = len(plan.trials) - len(chosen)
    say(
        console,
        f"Suite {plan.suite.name} under {rules.name} ({rules.summary}): {len(chosen)} of {len(plan.trials)} "
        f"trials to run ({done} done or left out), {request.place.describe(len(chosen))}.",
    )
