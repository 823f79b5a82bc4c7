"""``lrbench run --dry-run``: the trials of a suite, which are done, and what the others will cost."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from rich.box import SIMPLE
from rich.table import Table

from lrbench.cli.console import result_console, say
from lrbench.cli.run_request import RunRequest
from lrbench.cli.tables import print_table
from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.execution.estimate import seconds_per_epoch
from lrbench.execution.plan import Plan, PlannedTrial, make_plan
from lrbench.execution.row_places import check_graph_device, check_sharing
from lrbench.execution.rows import resolve_rows
from lrbench.execution.searches import (
    PlannedSearch,
    check_optuna,
    plan_searches,
    rows_with_settings,
    select_searches,
)
from lrbench.execution.selection import select_trials
from lrbench.names import chosen_names
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.store.suites import SuiteTrial, read_suite
from lrbench.store.trials import read_record
from lrbench.wording import counted, duration, listed, numbered, some_of

__all__ = ["print_plan"]

LABEL = 32
"""Columns that labels get even where the terminal is narrow."""


@dataclass(frozen=True)
class _Cost:
    """How long training one trial takes."""

    stages: tuple["_Stage", ...] = ()
    """How long an epoch of each stage takes; empty where finished trials tell the whole or nothing does."""

    seconds: float | None = None
    """``None``: unknown."""

    measured: bool = False
    """Whether it is the mean of finished trials. Otherwise it is the time of all epochs of ``max_epochs``."""

    def text(self, usual: int) -> str:
        """Return the cost for a cell of the table; caps of epochs are named where they are not the usual."""
        if self.seconds is None:
            return "unknown"
        if self.measured:
            return f"{duration(self.seconds)} in all, measured"
        rows = {stage.trained_by for stage in self.stages}
        if len(rows) == 1 and "" not in rows:
            return f"by {rows.pop()}"
        return ", ".join(stage.text(usual, len(self.stages) > 1) for stage in self.stages)


@dataclass(frozen=True)
class _Stage:
    """What a training stage takes, or which row trains it."""

    name: str
    epoch: float
    """Seconds of an epoch; 0 for a stage of one pass."""

    epochs: int
    """Its cap."""

    trained_by: str = ""
    """The row that trains it; its other fields say nothing then."""

    def text(self, usual: int, named: bool) -> str:
        """``spt 1.2 s``; the name is left out where the stage is the only one."""
        name = f"{self.name} " if named else ""
        if self.trained_by:
            return f"{name}by {self.trained_by}"
        if self.epoch == 0.0:
            return f"{name}one pass"
        epoch = f"{self.epoch:.1f} s" if self.epoch < 60 else duration(self.epoch)
        return f"{name}{epoch}{'' if self.epochs == usual else f' (at most {self.epochs})'}"


@dataclass
class _Totals:
    """Sums over all datasets."""

    cells: int = 0
    """Combinations of row, dataset and seed. Several may share a trial."""

    trials: int = 0
    to_run: int = 0
    seconds: float = 0.0
    """Training time of the trials to run, as far as it is known."""

    unknown: int = 0
    """How many trials to run have no known training time."""

    measured: bool = True
    """Whether all known times are means of finished trials."""

    searches: int = 0
    searches_to_run: int = 0
    search_seconds: float = 0.0
    """The longest time that the searches to run can take, as far as it is known."""

    unknown_searches: int = 0
    """How many searches to run have no known time, because their dataset is not prepared."""

    unprepared: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    """Datasets with results that are not prepared. The ids of their trials are unknown until they are."""

    def add(self, plan: Plan, waiting: Mapping[str, PlannedTrial], costs: Mapping[str, _Cost]) -> None:
        """Add a dataset's plan. A trial that several rows share counts once.

        Args:
            plan: all trials.
            waiting: those to run, by id.
            costs: how long a trial of each label takes.
        """
        self.cells += len(plan.record.trials)
        self.trials += len(plan.trials)
        self.to_run += len(waiting)
        for trial in waiting.values():
            cost = costs[trial.labels[0]]
            self.unknown += cost.seconds is None
            self.seconds += cost.seconds or 0.0
            self.measured = self.measured and cost.measured


def print_plan(request: RunRequest) -> None:
    """Print one row per dataset and label, and how many trials would run. Nothing is fetched or written."""
    suite, results = request.suite, request.results
    rows = resolve_rows(suite)
    if suite.tune is not None:
        check_optuna()
    check_sharing(rows, request.only, request.place.processes)
    request.place.check()
    check_graph_device(rows, request.place.device)
    labels = set(chosen_names([row.label for row in rows], request.only, "row"))
    totals = _Totals()
    for name in request.dataset_names:
        folder = request.library.find_prepared(name, suite.protocol.filters)
        if folder is None:
            totals.unprepared.append(name)
        dataset = load_prepared(folder) if folder else None
        fingerprint = dataset.record.fingerprint if dataset else "not prepared"
        searches = plan_searches(suite, rows, {name: fingerprint})
        totals.searches += len(searches)
        for search in select_searches(searches, rows, results, request.only, request.rerun):
            totals.searches_to_run += 1
            totals.unknown_searches += dataset is None
            totals.search_seconds += 0.0 if dataset is None else _search_seconds(search, dataset)
        fitted, _ = rows_with_settings(suite, rows, searches, results, name, dataset)
        plan = make_plan(suite, rows, {name: fingerprint}, {name: fitted})
        chosen = select_trials(plan, results, request.only, request.rerun)
        waiting = {trial.config.id: trial for trial in chosen}
        planned = {trial.config.id: trial for trial in plan.trials}
        costs: dict[str, _Cost] = {}
        lines: list[_Line] = []
        for label, cells in _by_label(plan.record.trials).items():
            if not labels & set(planned[cells[0].trial].labels):
                continue
            done = [cell.trial for cell in cells if trial_state(results, cell.trial) == "done"]
            costs[label] = _measured(done, results) if done else _estimated(planned[cells[0].trial], dataset)
            missing = sum(cell.trial in waiting for cell in cells)
            lines.append(
                _Line(label, numbered([cell.seed for cell in cells]), missing, len(done), costs[label])
            )
        totals.add(plan, waiting, costs)
        if dataset is None and _has_results(suite.name, name, results):
            totals.unsure.append(name)
            lines = [replace(line, missing=None, done=None) for line in lines]
        _print_table(f"Suite {suite.name}, {suite.protocol.name}, {name}", lines)
        if dataset is None:
            say(result_console(), f"Training is unknown: {name} is not prepared for {suite.protocol.name}.")
    _print_totals(totals, request)
    _say_titles_unknown([row.label for row in rows if row.model.reads_titles], totals.unprepared)


def _has_results(suite: str, dataset: str, results: Results) -> bool:
    """Whether a suite has finished trials on a dataset."""
    path = results.suite(suite)
    cells = read_suite(path).trials if path.exists() else ()
    return any(cell.dataset == dataset and results.trial(cell.trial).is_dir() for cell in cells)


@dataclass(frozen=True)
class _Line:
    """One row of the table."""

    label: str
    seeds: str
    missing: int | None
    """How many trials are to run; ``None``: unknown, as for ``done``."""

    done: int | None
    cost: _Cost


def _print_table(title: str, lines: Sequence[_Line]) -> None:
    """Print a row for each label, and below them what is the same for most."""
    caps = [stage.epochs for line in lines for stage in line.cost.stages if stage.epoch > 0]
    usual = max(caps, key=caps.count, default=0)
    table = Table(title=title, title_justify="left", highlight=False, box=SIMPLE, pad_edge=False)
    widest = max((len(line.label) for line in lines), default=0)
    table.add_column("label", overflow="fold", min_width=min(widest, LABEL))
    table.add_column("seeds", no_wrap=True)
    for heading in ("to run", "done"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("training", overflow="fold")
    for line in lines:
        counts = ("?" if count is None else str(count) for count in (line.missing, line.done))
        table.add_row(line.label, line.seeds, *counts, line.cost.text(usual))
    console = result_console()
    print_table(console, table)
    if caps:
        most = f"at most {counted(usual, 'epoch')}"
        say(console, f"Training: the time of one epoch of each stage. A stage takes {most}.")


def _by_label(cells: Sequence[SuiteTrial]) -> dict[str, list[SuiteTrial]]:
    found: dict[str, list[SuiteTrial]] = {}
    for cell in cells:
        found.setdefault(cell.label, []).append(cell)
    return found


def _print_totals(totals: _Totals, request: RunRequest) -> None:
    """Say how many trials there are, how long their training takes, and how to learn what is unknown."""
    console, tune = result_console(), request.suite.tune
    if tune is not None:
        say(
            console,
            f"Tuning: {'at most ' if totals.unsure else ''}{totals.searches_to_run} of {totals.searches} "
            f"searches to run, {tune.budget} each.",
        )
    if totals.searches_to_run > totals.unknown_searches:
        aside = f", without {totals.unknown_searches} of unknown cost" if totals.unknown_searches else ""
        say(
            console,
            f"Tuning takes at most about {duration(totals.search_seconds)} in all{aside}. This assumes the "
            "rows' own settings and all epochs. Patience and pruning usually end its trials far earlier.",
        )
    most = "at most " if totals.unsure else ""
    say(console, f"{counted(totals.trials, 'trial')}, {most}{totals.to_run} to run.")
    if totals.unsure:
        say(console, f"What is done on {listed(totals.unsure)} is known once the data is prepared.")
    if totals.cells > totals.trials:
        say(
            console,
            f"Rows that ask for the same run share its trial: {totals.cells:,} combinations of row, "
            f"dataset and seed need only {counted(totals.trials, 'trial')}.",
        )
    if totals.to_run > totals.unknown:
        place = request.place
        about = "about" if totals.measured else "at most about"
        aside = f", without {counted(totals.unknown, 'trial')} of unknown cost" if totals.unknown else ""
        on_cpu = "" if totals.measured or place.device == "cpu" else " if a CPU trained them"
        say(
            console,
            f"Training takes {about} {duration(totals.seconds)} in all{on_cpu}{aside}; "
            f"{place.describe(totals.to_run)} would share it.",
        )
        if not totals.measured:
            say(console, "This assumes all epochs of max_epochs. Patience usually ends training far earlier.")
    if totals.unprepared:
        fetch = shlex.join(
            ["lrbench", "fetch", *totals.unprepared, "--protocol", request.suite.protocol.name]
        )
        say(console, f"Prepare the data to see what training takes: {fetch}")


def _say_titles_unknown(labels: Sequence[str], unprepared: Sequence[str]) -> None:
    """Say which rows will be refused if data that is not prepared yet has no titles."""
    if labels and unprepared:
        say(
            result_console(),
            f"Rows that read titles of items: {some_of(labels, 3)}. Whether {listed(unprepared)} has titles "
            "is known once it is prepared. A run looks before it trains.",
        )


def _measured(done: Sequence[str], results: Results) -> _Cost:
    """Return the mean training time of the trials that are done."""
    seconds = [read_record(results.trial(trial)).train_seconds for trial in done]
    mean = sum(seconds) / len(seconds)
    return _Cost(seconds=mean, measured=True)


def _estimated(trial: PlannedTrial, dataset: PreparedDataset | None) -> _Cost:
    """Return the cost of a trial by the time of a few steps, with a line for each stage.

    The line says how long an epoch takes on this machine, or which row trains the stage.
    """
    config = trial.config
    if dataset is None:
        return _Cost()
    epochs = {stage.name: stage.training.max_epochs for stage in config.stages}
    taken = [_Stage(stage.name, 0.0, 0, trial.taken_from or "") for stage in config.stages[: trial.taken]]
    timed = seconds_per_epoch(config, dataset, torch.device("cpu"), skip=trial.taken)
    stages = [_Stage(name, seconds, epochs[name]) for name, seconds in timed.items()]
    return _Cost((*taken, *stages), sum(stage.epoch * stage.epochs for stage in stages))


def _search_seconds(search: PlannedSearch, dataset: PreparedDataset) -> float:
    """Return the longest time that the trainings of a search can take, in seconds.

    They are taken to have the row's own settings.
    """
    config = search.config
    epochs = {stage.name: stage.training.max_epochs for stage in config.stages}
    timed = seconds_per_epoch(config, dataset, torch.device("cpu"))
    share = 1.0 if config.users is None else min(1.0, config.users / dataset.record.final.users)
    return config.trainings * share * sum(seconds * epochs[stage] for stage, seconds in timed.items())
