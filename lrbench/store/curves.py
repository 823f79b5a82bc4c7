"""The stored curves of a suite's trials, in the form that trackers such as TensorBoard take.

Each trial becomes a run ``dataset/label/trial id``. Every numeric column of its history is a scalar
``stage/column`` over epochs. Every metric is a scalar ``split by depth/metric`` over reasoning steps.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from lrbench.errors import RequestError
from lrbench.store.commands import command_to_run
from lrbench.store.frames import FinishedTrial, finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord
from lrbench.store.trials import TrialRecord

__all__ = ["Scalar", "runs_of", "scalars", "settings_of"]

_NO_SCALARS = ("stage", "epoch")


class Scalar(NamedTuple):
    """A point of a curve."""

    tag: str
    step: int
    """The epoch, or the number of reasoning steps."""

    value: float
    time: float
    """Seconds since 1970."""


def runs_of(suite: SuiteRecord, results: Results) -> dict[str, FinishedTrial]:
    """Return name of a run → finished trial, for all finished trials of a suite.

    Raises:
        RequestError: no trial is finished.
    """
    finished, _ = finished_trials(suite, results)
    if not finished:
        raise RequestError(
            f"None of the trials of suite {suite.name} is finished in {results.root}.",
            f"Run it: {command_to_run(suite, results)}",
        )
    return {_run_name(trial): trial for trial in finished}


def scalars(trial: FinishedTrial) -> Iterator[Scalar]:
    """Yield the points of all curves of a trial, each curve in order."""
    yield from _curves(trial.history(), trial.record.started.timestamp())
    yield from _metrics(trial.record)


def settings_of(trial: FinishedTrial) -> dict[str, object]:
    """Return what identifies a run, and its model's options by name.

    An option of a plug-in may be called ``seed``, say. It becomes ``option seed``, so that it hides nothing.
    """
    record = trial.record
    identity = {
        "dataset": trial.cell.dataset,
        "label": trial.cell.label,
        "seed": record.seed,
        "model": record.model,
    }
    options = {f"option {name}" if name in identity else name: value for name, value in record.params.items()}
    return {**identity, **options}


def _run_name(trial: FinishedTrial) -> str:
    """Return the path that names a run. Characters of the label that no folder may have become ``_``."""
    label = re.sub(r"[^\w .+=-]", "_", trial.cell.label).strip(" .") or "_"
    return f"{trial.cell.dataset}/{label}/{trial.record.id}"


def _curves(history: pl.DataFrame, started: float) -> Iterator[Scalar]:
    """Yield every number of the history, with the time at which its epoch ended.

    Args:
        history: one row per epoch and stage.
        started: when the trial began, in seconds since 1970.
    """
    time = started
    for row in history.iter_rows(named=True):
        time += row.get("seconds") or 0.0
        for column, value in row.items():
            if column not in _NO_SCALARS and isinstance(value, int | float):
                yield Scalar(f"{row['stage']}/{column}", row["epoch"], float(value), time)


def _metrics(record: TrialRecord) -> Iterator[Scalar]:
    for split, depths in record.metrics.items():
        for depth, metrics in sorted(depths.items(), key=lambda item: int(item[0])):
            for name, value in metrics.items():
                yield Scalar(f"{split} by depth/{name}", int(depth), value, record.ended.timestamp())
