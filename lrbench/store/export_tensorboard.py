"""Write the stored curves of a suite's trials as event files that TensorBoard shows."""

from pathlib import Path

from lrbench.errors import not_installed
from lrbench.files import new_folder
from lrbench.store.curves import runs_of, scalars
from lrbench.store.frames import FinishedTrial
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord

__all__ = ["export_tensorboard"]

_EVENTS_FILE = "events.out.tfevents.0.lrbench"
"""TensorBoard finds its files by the start of their names. A fixed name makes two exports equal."""


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
        raise not_installed("This needs", "TensorBoard", "tensorboard") from None
    runs = runs_of(suite, results)
    with new_folder(folder) as temporary:
        for name, trial in runs.items():
            run = temporary / name
            run.mkdir(parents=True)
            _write_events(run / _EVENTS_FILE, trial)
    return len(runs)


def _write_events(path: Path, trial: FinishedTrial) -> None:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415
    from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

    started = trial.record.started.timestamp()
    with path.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=started, file_version="brain.Event:2").SerializeToString())
        for scalar in scalars(trial):
            summary = Summary(value=[Summary.Value(tag=scalar.tag, simple_value=scalar.value)])
            event = Event(wall_time=scalar.time, step=scalar.step, summary=summary)
            writer.write(event.SerializeToString())
        writer.flush()
