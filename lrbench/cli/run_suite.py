"""What ``lrbench run`` does once its options are read: obtain data, plan, train, say what came of it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from lrbench.cli.console import result_console, say
from lrbench.cli.fetch_progress import listener_for
from lrbench.cli.run_progress import make_view
from lrbench.config.suite import Suite
from lrbench.data.catalogue import Catalogue
from lrbench.data.dataset import DatasetRecord, PreparedDataset, load_prepared
from lrbench.data.obtain import Library
from lrbench.errors import LrbenchError, RequestError
from lrbench.execution.estimate import seconds_per_epoch
from lrbench.execution.plan import Plan, PlannedTrial, make_plan
from lrbench.execution.pool import Slot, choose_slots, run_pool
from lrbench.execution.rows import match_rows, resolve_rows
from lrbench.execution.selection import Rerun, select_trials
from lrbench.execution.trial import TrialOrder
from lrbench.store.commands import command
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.store.suites import declared, merged, read_suite, write_suite
from lrbench.store.trials import read_record
from lrbench.wording import counted, duration

__all__ = ["print_plan", "run_plan"]

Wishes = tuple[Sequence[int], str | None, int | None]
"""GPUs, device and workers, as asked for."""


def run_plan(  # the request has been read; from here on things happen
    suite: Suite,
    library: Library,
    results: Results,
    only: str | None,
    rerun: Rerun,
    wishes: Wishes,
    console: Console,
) -> int:
    """Run what is not done and return how many trials failed."""
    rows = resolve_rows(suite)
    names = _true_names(suite, library.catalogue, console)
    choose_slots(*wishes, trials=1)  # this and the next refuse an impossible wish before anything is fetched
    select_trials(make_plan(suite, rows, dict.fromkeys(names, "")), results, only, rerun)
    with listener_for(console) as listener:
        obtained = library.obtain_all(names, suite.protocol.filters, listener)
    folders = _folders(obtained)
    prepared = {name: load_prepared(folder) for name, folder in folders.items()}
    for dataset in prepared.values():
        _say_dataset(dataset.record, console)
    matched = {name: match_rows(rows, dataset) for name, dataset in prepared.items()}
    prints = {name: dataset.record.fingerprint for name, dataset in prepared.items()}
    plan = make_plan(suite, rows, prints, matched)
    chosen = select_trials(plan, results, only, rerun)
    _remember(plan, results)
    slots = choose_slots(*wishes, trials=len(chosen))
    _say_plan(plan, chosen, slots, console)
    if not chosen:
        _say_end("Nothing to do.", plan, results, console)
        return 0
    orders = [_order(trial, folders, results, rerun, slots[0]) for trial in chosen]
    titles = {trial.config.id: _title(trial, names) for trial in chosen}
    with make_view(console, titles, suite.protocol.selection_metric) as view:
        run_pool(orders, slots, view.show)
    for failure in view.failed:
        say(console, f"Failed: {titles[failure.trial]}: {failure.reason}")
    done = len(chosen) - len(view.failed)
    _say_end(f"{done} of {len(chosen)} trials done.", plan, results, console)
    return len(view.failed)


def print_plan(
    suite: Suite,
    library: Library,
    results: Results,
    only: str | None,
    rerun: Rerun,
    wishes: Wishes,
) -> None:
    """Print the trials a suite stands for, which are done, and what the others will cost."""
    rows = resolve_rows(suite)
    choose_slots(*wishes, trials=1)  # refuses an impossible wish
    table = Table(title=f"Suite {suite.name}, {suite.protocol.name}", title_justify="left", highlight=False)
    for heading in ("dataset", "label", "seeds", "to run", "done", "training of one trial"):
        table.add_column(heading, overflow="fold")
    total = to_run = 0
    unprepared = []
    for name in _true_names(suite, library.catalogue, None):
        folder = library.find_prepared(name, suite.protocol.filters)
        if folder is None:
            unprepared.append(name)
        dataset = load_prepared(folder) if folder else None
        matched = {name: match_rows(rows, dataset)} if dataset else {}
        print_ = dataset.record.fingerprint if dataset else "not prepared"
        plan = make_plan(suite, rows, {name: print_}, matched)
        waiting = {trial.config.id for trial in select_trials(plan, results, only, rerun)}
        total += len(plan.trials)
        to_run += len(waiting)
        for row in rows:
            cells = [cell for cell in plan.record.trials if cell.label == row.label]
            done = [cell.trial for cell in cells if trial_state(results, cell.trial) == "done"]
            first = next(trial for trial in plan.trials if trial.config.id == cells[0].trial)
            seeds = " ".join(str(cell.seed) for cell in cells)
            missing = sum(cell.trial in waiting for cell in cells)
            cost = _measured(done, results) if done else _estimated(first, dataset)
            table.add_row(name, row.label, seeds, str(missing), str(len(done)), cost)
    console = result_console()
    console.print(table)
    console.print(f"{counted(total, 'trial')}, {to_run} to run.")
    if unprepared:
        fetch = shlex.join(["lrbench", "fetch", *unprepared, "--protocol", suite.protocol.name])
        say(console, f"Prepare the data to see what training takes: {fetch}")


def _measured(done: Sequence[str], results: Results) -> str:
    """Mean training time of the seeds that are done."""
    seconds = [read_record(results.trial(trial)).train_seconds for trial in done]
    return f"{duration(sum(seconds) / len(seconds))} (measured)"


def _estimated(trial: PlannedTrial, dataset: PreparedDataset | None) -> str:
    """Seconds of an epoch of each stage, from a few steps on this machine, or which row trains it."""
    config = trial.config
    if dataset is None:
        return f"unknown: not prepared for {config.protocol.name}"
    costs = [f"{stage.name}: by {trial.taken_from}" for stage in config.stages[: trial.taken]]
    epochs = {stage.name: stage.training.max_epochs for stage in config.stages}
    timed = seconds_per_epoch(config, dataset, torch.device("cpu"), skip=trial.taken)
    return ", ".join([*costs, *(_cost(stage, seconds, epochs[stage]) for stage, seconds in timed.items())])


def _cost(stage: str, seconds: float, epochs: int) -> str:
    if seconds == 0.0:
        return f"{stage}: one pass"
    return f"{stage}: {seconds:.1f} s an epoch, at most {epochs}"


def _true_names(suite: Suite, catalogue: Catalogue, console: Console | None) -> list[str]:
    """Resolve aliases and say which edition each means."""
    for name in suite.datasets:
        if console is not None and catalogue.find(name).name != name:
            say(console, catalogue.describe(name))
    return list(dict.fromkeys(catalogue.find(name).name for name in suite.datasets))


def _folders(obtained: Mapping[str, Path | LrbenchError]) -> dict[str, Path]:
    """The folders, or the first failure: a suite with a dataset missing is not begun."""
    folders = {}
    for name, found in obtained.items():
        if isinstance(found, LrbenchError):
            raise found
        folders[name] = found
    return folders


def _remember(plan: Plan, results: Results) -> None:
    """Write the suite's record, keeping cells of other datasets and seeds if its rows mean the same."""
    path = results.suite(plan.suite.name)
    try:
        old = read_suite(path) if path.exists() else None
    except RequestError:
        old = None  # of another version: nothing in it can be kept
    write_suite(declared(merged(plan.record, old), old, results), path)


def _order(
    trial: PlannedTrial, folders: dict[str, Path], results: Results, rerun: Rerun, slot: Slot
) -> TrialOrder:
    return TrialOrder(
        config=trial.config,
        dataset_folder=folders[trial.config.dataset],
        results_folder=results.root.resolve(),
        device=slot.device,
        threads=slot.threads,
        fresh=rerun == "all",
    )


def _title(trial: PlannedTrial, names: Sequence[str]) -> str:
    where = f"{trial.config.dataset} " if len(names) > 1 else ""
    return f"{where}{' = '.join(trial.labels)}, seed {trial.config.seed}"


def _say_dataset(record: DatasetRecord, console: Console) -> None:
    final = record.final
    sizes = f"{final.users:,} users, {final.items:,} items, {final.interactions:,} interactions"
    say(console, f"{record.name}: {sizes}; {record.source}")
    for note in record.notes:
        say(console, f"  {note}")


def _say_end(what: str, plan: Plan, results: Results, console: Console) -> None:
    """Say what came of a run, and which command shows more of it."""
    any_done = any(trial_state(results, trial.config.id) == "done" for trial in plan.trials)
    more = "shows the table" if any_done else "shows what is left"
    hint = command("report" if any_done else "status", plan.suite.name, results)
    say(console, f"{what} {hint} {more}.")


def _say_plan(plan: Plan, chosen: Sequence[PlannedTrial], slots: Sequence[Slot], console: Console) -> None:
    protocol, total = plan.suite.protocol, len(plan.trials)
    kind = "GPU worker" if slots[0].device == "cuda" else "CPU worker"
    each = " each" if len(slots) > 1 else ""
    say(
        console,
        f"Suite {plan.suite.name} under {protocol.name} ({protocol.summary}): {len(chosen)} of {total} "
        f"trials to run ({total - len(chosen)} done or left out), {counted(len(slots), kind)} with "
        f"{counted(slots[0].threads, 'thread')}{each}.",
    )
