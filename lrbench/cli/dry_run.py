"""``lrbench run --dry-run``: the trials of a suite, which are done, and what the others will cost."""

import shlex
from collections.abc import Sequence

import torch
from rich.table import Table

from lrbench.cli.console import result_console, say
from lrbench.cli.run_request import RunRequest
from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.execution.estimate import seconds_per_epoch
from lrbench.execution.plan import PlannedTrial, make_plan
from lrbench.execution.rows import match_rows, resolve_rows
from lrbench.execution.selection import select_trials
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.store.suites import Cell
from lrbench.store.trials import read_record
from lrbench.wording import counted, duration

__all__ = ["print_plan"]


def print_plan(request: RunRequest) -> None:
    """Print one row per dataset and label, and how many trials would run. Nothing is fetched or written."""
    suite, results = request.suite, request.results
    rows = resolve_rows(suite)
    request.slots(trials=1)  # refuses what cannot be
    table = Table(title=f"Suite {suite.name}, {suite.protocol.name}", title_justify="left", highlight=False)
    for heading in ("dataset", "label", "seeds", "to run", "done", "training of one trial"):
        table.add_column(heading, overflow="fold")
    total = to_run = 0
    unprepared = []
    for name in request.dataset_names:
        folder = request.library.find_prepared(name, suite.protocol.filters)
        if folder is None:
            unprepared.append(name)
        dataset = load_prepared(folder) if folder else None
        matched = {name: match_rows(rows, dataset)} if dataset else {}
        fingerprint = dataset.record.fingerprint if dataset else "not prepared"
        plan = make_plan(suite, rows, {name: fingerprint}, matched)
        waiting = {trial.config.id for trial in select_trials(plan, results, request.only, request.rerun)}
        total += len(plan.trials)
        to_run += len(waiting)
        planned = {trial.config.id: trial for trial in plan.trials}
        cells_of: dict[str, list[Cell]] = {}
        for cell in plan.record.trials:
            cells_of.setdefault(cell.label, []).append(cell)
        for row in rows:
            cells = cells_of[row.label]
            done = [cell.trial for cell in cells if trial_state(results, cell.trial) == "done"]
            seeds = " ".join(str(cell.seed) for cell in cells)
            missing = sum(cell.trial in waiting for cell in cells)
            cost = _measured(done, results) if done else _estimated(planned[cells[0].trial], dataset)
            table.add_row(name, row.label, seeds, str(missing), str(len(done)), cost)
    console = result_console()
    console.print(table)
    console.print(f"{counted(total, 'trial')}, {to_run} to run.")
    if unprepared:
        fetch = shlex.join(["lrbench", "fetch", *unprepared, "--protocol", suite.protocol.name])
        say(console, f"Prepare the data to see what training takes: {fetch}")


def _measured(done: Sequence[str], results: Results) -> str:
    """Say the mean training time of the trials that are done."""
    seconds = [read_record(results.trial(trial)).train_seconds for trial in done]
    return f"{duration(sum(seconds) / len(seconds))} (measured)"


def _estimated(trial: PlannedTrial, dataset: PreparedDataset | None) -> str:
    """Say how long an epoch of each stage takes on this machine, or which row trains the stage."""
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
