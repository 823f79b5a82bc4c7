"""The trials that ``evaluate``, ``recommend`` or ``verify`` is asked for: one, or those of a suite's rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lrbench.cli.console import message_console, say
from lrbench.cli.named_suite import recorded_suite
from lrbench.errors import RequestError, nearest
from lrbench.report.choices import shown_names
from lrbench.store.find_trial import find_trial
from lrbench.store.layout import RECORD_FILE, Results
from lrbench.store.state import trial_state
from lrbench.store.suites import SuiteRecord
from lrbench.store.trials import read_record
from lrbench.wording import counted, numbered, some_of

__all__ = ["EvaluatedRow", "find_rows"]


@dataclass(frozen=True)
class EvaluatedRow:
    """Trials that differ in nothing but the seed."""

    title: str
    folders: tuple[Path, ...]
    label: str | None = None
    """``None``: one trial was named, not a suite."""

    dataset: str = ""
    unfinished: int = 0
    """How many seeds of the row have no finished trial."""

    @property
    def model(self) -> str:
        """The name of the model."""
        return read_record(self.folders[0]).model

    @property
    def reasons(self) -> bool:
        """Whether the model takes reasoning steps with the options of these trials."""
        return read_record(self.folders[0]).depth > 0

    def named(self, rows: pl.DataFrame, seed: int) -> pl.DataFrame:
        """Return rows with columns for label, dataset and seed; those of a single trial as they are."""
        if self.label is None:
            return rows
        names = {"label": self.label, "dataset": self.dataset, "seed": seed}
        return rows.select(*(pl.lit(value).alias(name) for name, value in names.items()), pl.all())

    def tell_missing_seeds(self) -> None:
        """Say how many seeds have no finished trial."""
        if self.unfinished:
            missing = counted(self.unfinished, "seed")
            say(message_console(), f"{self.title}: {missing} left out, as no trial is finished.")

    def tell_only_depth(self) -> None:
        """Say that the model takes no reasoning steps."""
        whose = "" if self.label is None else f"{self.label} on {self.dataset}: "
        say(message_console(), f"{whose}{self.model} takes no reasoning steps, so it has only depth 0.")


def find_rows(results: Results, given: str, only: Sequence[str] | None) -> list[EvaluatedRow]:
    """Return the trial that was named, or the rows of the suite that was named.

    A name is taken as a trial's path or whole id first, then as a suite, then as the start of an id.

    Args:
        results: the results folder.
        given: a trial, or a suite's name or file.
        only: labels or patterns of a suite's rows; ``None``: all rows.

    Raises:
        RequestError: there is no such trial or suite, ``only`` fits no row, or no trial is finished.
    """
    suites = [path.stem for path in results.suites()]
    trials = {path.name for path in results.trials()}
    is_trial = given in trials or (Path(given) / RECORD_FILE).is_file()
    if not is_trial and (only is not None or given in suites or Path(given).suffix == ".toml"):
        return _rows(recorded_suite(results, given, "status"), results, only or [])
    if only is not None:
        raise RequestError(f"--only chooses rows of a suite, and {given} is a trial.", "Leave --only out.")
    if not is_trial and not any(name.startswith(given) for name in trials) and suites:
        known = f"Suites there: {some_of(suites)}. See the trials: {results.command('list', 'trials')}"
        near = nearest(given, [*trials, *suites])
        raise RequestError(f'There is no trial and no suite "{given}" in {results.root}.', near or known)
    folder = find_trial(results, given)
    return [EvaluatedRow(folder.resolve().name, (folder,))]


def _rows(record: SuiteRecord, results: Results, only: Sequence[str]) -> list[EvaluatedRow]:
    labels = shown_names(record.labels, only, (), "row")
    rows = []
    for dataset in record.datasets:
        for label in labels:
            cells = [cell for cell in record.trials if (cell.label, cell.dataset) == (label, dataset)]
            done = [cell for cell in cells if trial_state(results, cell.trial) == "done"]
            if not done:
                continue
            seeds = numbered([cell.seed for cell in done])
            title = f"{label} on {dataset}, " + (
                f"mean over {counted(len(done), 'seed')} ({seeds})" if len(done) > 1 else f"seed {seeds}"
            )
            folders = tuple(results.trial(cell.trial) for cell in done)
            rows.append(EvaluatedRow(title, folders, label, dataset, len(cells) - len(done)))
    if not rows:
        raise RequestError(
            f"No trial of these rows of suite {record.name} is finished in {results.root}.",
            f"See how far they are: {results.command('status', record.name)}",
        )
    return rows
