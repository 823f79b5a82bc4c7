"""What ``lrbench run`` does once its options are read: obtain data, plan, train, and say how it ended."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from lrbench.cli.checked_rows import checked_rows
from lrbench.cli.console import say
from lrbench.cli.fetch_progress import listener_for
from lrbench.cli.run_and_show import run_and_show
from lrbench.cli.run_progress import SuiteView
from lrbench.cli.run_request import RunRequest
from lrbench.cli.run_tasks import TaskList, keep_record
from lrbench.data.dataset import DatasetRecord, load_prepared
from lrbench.errors import LrbenchError
from lrbench.execution.agenda import Agenda
from lrbench.execution.past_costs import PastCosts
from lrbench.execution.plan import Plan, make_plan
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.store.tidy import tidy
from lrbench.store.trials import read_record

__all__ = ["run_suite"]


def run_suite(request: RunRequest, console: Console) -> bool:
    """Run what is not done, and say how it ended.

    The trials of a tuned row begin once the search for its settings is complete.

    Returns:
        Whether every search and trial that was chosen is done.

    Raises:
        LrbenchError: data cannot be obtained, or no worker can be kept running.
    """
    results = request.results
    folders, agenda = _prepare(request, console)
    tidy(results)
    tasks = TaskList(agenda, folders, request)
    _say_agenda(agenda, tasks, request, console)
    if not tasks.first:
        _say_end("Nothing to do.", agenda.plan, results, console)
        return True
    view, broken = run_and_show(tasks, request, _past_costs(agenda.plan, results), console)
    tidy(results)  # again: a worker may have been killed after its trial was complete
    _say_end(f"{_done(view, agenda.prevented)} done.", agenda.plan, results, console)
    if broken is not None:
        raise broken
    keep_record(agenda.plan.record, results)  # again: another run may have replaced the record meanwhile
    return len(view.done) == len(view.tasks)


def _prepare(request: RunRequest, console: Console) -> tuple[dict[str, Path], Agenda]:
    """Check the request, obtain the data, and plan.

    Returns:
        True dataset name → folder of the prepared dataset, and what the run trains.
    """
    suite, library = request.suite, request.library
    rows = checked_rows(request)
    for name in suite.datasets:
        if library.catalogue.find(name).name != name:
            say(console, library.catalogue.describe(name))
    names = request.dataset_names
    make_plan(suite, rows, dict.fromkeys(names, ""))  # refuses too many trials before anything is fetched
    with listener_for(console) as listener:
        folders = _folders(library.obtain_all(names, suite.protocol.filters, listener))
    prepared = {name: load_prepared(folder) for name, folder in folders.items()}
    for dataset in prepared.values():
        _say_dataset(dataset.record, console)
    return folders, Agenda(suite, rows, prepared, request.results, request.only, request.rerun)


def _folders(obtained: Mapping[str, Path | LrbenchError]) -> dict[str, Path]:
    """Return the folders, or raise the first failure: a suite needs all its datasets."""
    folders = {}
    for name, found in obtained.items():
        if isinstance(found, LrbenchError):
            raise found
        folders[name] = found
    return folders


def _past_costs(plan: Plan, results: Results) -> PastCosts:
    """Return what the suite's finished trials cost; a damaged one is left out."""
    past_costs = PastCosts()
    for trial in plan.trials:
        folder = results.trial(trial.config.id)
        if folder.is_dir():
            with suppress(LrbenchError):
                past_costs.add(read_record(folder))
    return past_costs


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
    hint = results.command("report" if any_done else "status", plan.suite.name)
    say(console, f"{what} {hint} {more}.")


def _done(view: SuiteView, prevented: int) -> str:
    """Say how many of the searches and of the trials are done.

    Args:
        view: knows what was begun.
        prevented: how many trials could not begin, since their search failed.
    """
    searches = sum(task.is_search for task in view.tasks.values())
    trials = view.total - searches + prevented
    done = sum(task.is_search for task in view.done)
    kinds = [(done, searches, "searches"), (len(view.done) - done, trials, "trials")]
    return " and ".join(f"{ended} of {begun} {what}" for ended, begun, what in kinds if begun)


def _say_agenda(agenda: Agenda, tasks: TaskList, request: RunRequest, console: Console) -> None:
    suite = request.suite
    to_run = len(tasks.first) + tasks.upcoming
    trials = to_run - len(agenda.searches)
    if agenda.searches and suite.tune is not None:
        say(
            console,
            f"Tuning on validation: {len(agenda.searches)} of {agenda.search_count} searches to run, "
            f"{suite.tune.budget} each. A row's trials follow its search, before other searches.",
        )
        if request.search_gpus:
            say(console, request.search_gpus)
    say(
        console,
        f"Suite {suite.name}: {trials} of {agenda.trial_count} trials to run "
        f"({agenda.trial_count - trials} done or left out), {request.place.describe(to_run)}. "
        f"Protocol {suite.protocol.name}: {suite.protocol.summary}.",
    )
