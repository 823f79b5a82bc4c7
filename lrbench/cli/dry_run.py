"""``lrbench run --dry-run``: the trials of a suite, which are done, and what the others will cost."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich.box import SIMPLE
from rich.table import Table

from lrbench.cli.checked_rows import checked_rows
from lrbench.cli.console import result_console, say
from lrbench.cli.run_request import RunRequest
from lrbench.cli.tables import print_table
from lrbench.cli.training_cost import (
    TrainingCost,
    estimated_cost,
    longest_search_seconds,
    measured_cost,
)
from lrbench.commands import command
from lrbench.config.tuning import Tune
from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.execution.places import Place
from lrbench.execution.plan import Plan, PlannedTrial, make_plan
from lrbench.execution.rows import Row
from lrbench.execution.searches import (
    PlannedSearch,
    plan_searches,
    rows_with_settings,
    select_searches,
)
from lrbench.execution.selection import select_trials
from lrbench.names import chosen_names
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.store.suites import SuiteTrial, read_suite
from lrbench.wording import about, counted, listed, numbered, some_of

__all__ = ["print_plan"]

LABEL = 32
"""Columns that labels get even where the terminal is narrow."""


@dataclass(frozen=True)
class _DatasetPlan:
    """A suite's searches and trials on one dataset."""

    name: str
    data: PreparedDataset | None
    """``None``: it is not prepared."""

    searches: Sequence[PlannedSearch]
    searches_to_run: Sequence[PlannedSearch]
    plan: Plan
    trials_to_run: Mapping[str, PlannedTrial]
    """By id."""

    unmatched: frozenset[str]
    """Labels of matched controls whose sizes are unknown: they wait for the data or for a search."""

    def at_most(self, labels: Collection[str]) -> int:
        """How many trials a trial of these labels can become.

        Matched controls of one recipe are the same trial until they have their sizes.
        """
        waiting = len(self.unmatched.intersection(labels))
        return waiting + (waiting < len(labels))


@dataclass
class _Totals:
    """Sums over all datasets."""

    cells: int = 0
    """Combinations of row, dataset and seed. Several may share a trial."""

    trials: int = 0
    """At most so many if :attr:`unmatched`."""

    unmatched: bool = False
    """Whether matched controls with unknown sizes might share a trial."""

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

    def add(self, planned: _DatasetPlan, chosen: set[str], costs: Mapping[str, TrainingCost]) -> None:
        """Add a dataset's plan. A trial that several rows share counts once.

        Args:
            planned: the plan.
            chosen: the labels that are to run.
            costs: what a trial of each label takes.
        """
        self._add_searches(planned)
        self.cells += len(planned.plan.record.trials)
        self.trials += sum(planned.at_most(trial.labels) for trial in planned.plan.trials)
        self.unmatched = self.unmatched or bool(planned.unmatched)
        for trial in planned.trials_to_run.values():
            cost, count = costs[trial.labels[0]], planned.at_most(chosen.intersection(trial.labels))
            self.to_run += count
            self.unknown += count * (cost.seconds is None)
            self.seconds += count * (cost.seconds or 0.0)
            self.measured = self.measured and cost.measured

    def _add_searches(self, planned: _DatasetPlan) -> None:
        self.searches += len(planned.searches)
        self.searches_to_run += len(planned.searches_to_run)
        if planned.data is None:
            self.unknown_searches += len(planned.searches_to_run)
            return
        for search in planned.searches_to_run:
            self.search_seconds += longest_search_seconds(search, planned.data)


def print_plan(request: RunRequest) -> None:
    """Print one row per dataset and label, and how many trials would run. Nothing is fetched or written."""
    suite, results = request.suite, request.results
    rows = checked_rows(request)
    labels = set(chosen_names([row.label for row in rows], request.only, "row"))
    totals = _Totals()
    for name in request.dataset_names:
        planned = _plan_dataset(request, rows, name)
        lines = list(_lines(planned, labels, results))
        totals.add(planned, labels, {line.label: line.cost for line in lines})
        if planned.data is None:
            totals.unprepared.append(name)
            if _has_results(suite.name, name, results):
                totals.unsure.append(name)
                lines = [replace(line, missing=None, done=None) for line in lines]
        _print_table(f"Suite {suite.name}, {suite.protocol.name}, {name}", lines)
        if planned.data is None:
            say(result_console(), f"Training is unknown: {name} is not prepared for {suite.protocol.name}.")
    _print_totals(totals, request)
    _say_titles_unknown([row.label for row in rows if row.model.reads_titles], totals.unprepared)


def _plan_dataset(request: RunRequest, rows: Sequence[Row], name: str) -> _DatasetPlan:
    """Plan a suite on one dataset, with the settings of the searches that are complete."""
    suite, results = request.suite, request.results
    folder = request.library.find_prepared(name, suite.protocol.filters)
    data = load_prepared(folder) if folder else None
    fingerprint = data.record.fingerprint if data else "not prepared"
    searches = plan_searches(suite, rows, {name: fingerprint})
    fitted, _ = rows_with_settings(suite, rows, searches, results, name, data)
    plan = make_plan(suite, rows, {name: fingerprint}, {name: fitted})
    return _DatasetPlan(
        name=name,
        data=data,
        unmatched=frozenset(row.label for row in fitted if row.is_matched and row.match is None),
        searches=searches,
        searches_to_run=select_searches(searches, rows, results, request.only, request.rerun),
        plan=plan,
        trials_to_run={
            trial.config.id: trial for trial in select_trials(plan, results, request.only, request.rerun)
        },
    )


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
    cost: TrainingCost


def _lines(planned: _DatasetPlan, labels: Collection[str], results: Results) -> Iterator[_Line]:
    """Yield a line for each label whose trials are shared with one of ``labels``."""
    trials = {trial.config.id: trial for trial in planned.plan.trials}
    for label, cells in _by_label(planned.plan.record.trials).items():
        first = trials[cells[0].trial]
        if not set(labels) & set(first.labels):
            continue
        done = [cell.trial for cell in cells if trial_state(results, cell.trial) == "done"]
        yield _Line(
            label=label,
            seeds=numbered([cell.seed for cell in cells]),
            missing=sum(cell.trial in planned.trials_to_run for cell in cells),
            done=len(done),
            cost=measured_cost(done, results) if done else estimated_cost(first, planned.data),
        )


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
        _say_searches(totals, tune)
    if totals.searches_to_run and request.search_gpus:
        say(console, request.search_gpus)
    most = "at most " if totals.unsure or totals.unmatched else ""
    trials = counted(totals.trials, "trial")
    say(console, f"{'At most ' if totals.unmatched else ''}{trials}, {most}{totals.to_run} to run.")
    if totals.unmatched:
        say(console, "Matched controls may share trials. Their sizes depend on the data and on searches.")
    if totals.unsure:
        say(console, f"What is done on {listed(totals.unsure)} is known once the data is prepared.")
    if totals.cells > totals.trials:
        say(
            console,
            f"Rows that ask for the same run share its trial: {totals.cells:,} combinations of row, "
            f"dataset and seed need only {trials}.",
        )
    if totals.to_run > totals.unknown:
        _say_training(totals, request.place)
    if totals.unprepared:
        fetch = command("fetch", *totals.unprepared, "--protocol", request.suite.protocol.name)
        say(console, f"Prepare the data to see what training takes: {fetch}")


def _say_searches(totals: _Totals, tune: Tune) -> None:
    """Say how many searches are to run, and how long they can take."""
    console, most = result_console(), "at most " if totals.unsure else ""
    say(
        console,
        f"Tuning: {most}{totals.searches_to_run} of {totals.searches} searches to run, {tune.budget} each.",
    )
    if totals.searches_to_run > totals.unknown_searches:
        aside = f", without {totals.unknown_searches} of unknown cost" if totals.unknown_searches else ""
        say(
            console,
            f"Tuning takes {about(totals.search_seconds, at_most=True)} in all{aside}. This assumes the "
            "rows' own settings and all epochs. Patience and pruning usually end its trials far earlier.",
        )


def _say_training(totals: _Totals, place: Place) -> None:
    """Say how long the trials to run take, as far as it is known, and what shares them."""
    console = result_console()
    aside = f", without {counted(totals.unknown, 'trial')} of unknown cost" if totals.unknown else ""
    on_cpu = "" if totals.measured or place.device == "cpu" else " if a CPU trained them"
    say(
        console,
        f"Training takes {about(totals.seconds, at_most=not totals.measured)} in all{on_cpu}{aside}; "
        f"{place.describe(totals.to_run)} would share it.",
    )
    if not totals.measured:
        say(console, "This assumes all epochs of max_epochs. Patience usually ends training far earlier.")


def _say_titles_unknown(labels: Sequence[str], unprepared: Sequence[str]) -> None:
    """Say which rows will be refused if data that is not prepared yet has no titles."""
    if labels and unprepared:
        say(
            result_console(),
            f"Rows that read titles of items: {some_of(labels, 3)}. Whether {listed(unprepared)} has titles "
            "is known once it is prepared. A run looks before it trains.",
        )
