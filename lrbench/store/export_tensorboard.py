"""Write the stored curves of a suite's trials as event files that TensorBoard shows.

Each trial becomes a run ``dataset/label/trial id``. Every numeric column of its history is a scalar
``stage/column`` over epochs. Every metric is a scalar ``split by depth/metric`` over reasoning steps.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from lrbench.errors import RequestError
from lrbench.files import new_folder
from lrbench.store.commands import command_to_run
from lrbench.store.frames import FinishedTrial, finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord
from lrbench.store.trials import TrialRecord, read_history

__all__ = ["export_tensorboard"]

_EVENTS_FILE = "events.out.tfevents.0.lrbench"
"""TensorBoard finds its files by the first words; a fixed name makes two exports equal."""

_NO_SCALARS = ("stage", "epoch")


class _Scalar(NamedTuple):
    tag: str
    step: int
    value: float
    time: float
    """Seconds since 1970."""


def export_tensorboard(suite: SuiteRecord, results: Results, folder: Path) -> int:
    """Write a folder of event files in one step; the same trials give the same bytes.

    Args:
        suite: the suite's record.
        results: where its trials are.
        folder: a new folder.

    Returns:
        The number of runs.

    Raises:
        RequestError: TensorBoard is not installed, or no trial is finished.
    """
    try:
        import tensorboard.summary.writer.record_writer  # noqa: F401, PLC0415
    except ImportError:
        raise RequestError(
            "This needs TensorBoard, which is not installed.", "pip install 'lrbench[tensorboard]'"
        ) from None
    finished, _ = finished_trials(suite, results)
    if not finished:
        raise RequestError(
            f"None of the trials of suite {suite.name} is finished in {results.root}.",
            f"Run it: {command_to_run(suite.name, results)}",
        )
    runs = {_run_name(trial): trial for trial in finished}
    with new_folder(folder) as temporary:
        for name, trial in runs.items():
            run = temporary / name
            run.mkdir(parents=True)
            _write_events(run / _EVENTS_FILE, trial)
    return len(runs)


def _run_name(trial: FinishedTrial) -> str:
    """Return the run's path; a label may hold characters that no folder may."""
    label = re.sub(r"[^\w .+=-]", "_", trial.cell.label).strip(" .") or "_"
    return f"{trial.cell.dataset}/{label}/{trial.record.id}"


def _write_events(path: Path, trial: FinishedTrial) -> None:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415
    from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

    started = trial.record.started.timestamp()
    with path.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=started, file_version="brain.Event:2").SerializeToString())
        for scalar in (*_curves(read_history(trial.folder), started), *_metrics(trial.record)):
            summary = Summary(value=[Summary.Value(tag=scalar.tag, simple_value=scalar.value)])
            event = Event(wall_time=scalar.time, step=scalar.step, summary=summary)
            writer.write(event.SerializeToString())
        writer.flush()


def _curves(history: pl.DataFrame, started: float) -> Iterator[_Scalar]:
    """Yield every number of the history; its time is that of the end of its epoch."""
    time = started
    for row in history.iter_rows(named=True):
        time += row.get("seconds") or 0.0
        for column, value in row.items():
            if column not in _NO_SCALARS and isinstance(value, int | float):
                yield _Scalar(f"{row['stage']}/{column}", row["epoch"], float(value), time)


def _metrics(record: TrialRecord) -> Iterator[_Scalar]:
    for split, depths in record.metrics.items():
        for depth, metrics in sorted(depths.items(), key=lambda item: int(item[0])):
            for name, value in metrics.items():
                yield _Scalar(f"{split} by depth/{name}", int(depth), value, record.ended.timestamp())
