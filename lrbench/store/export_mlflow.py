"""Write the stored curves of a suite's trials for MLflow: one experiment with a run for each trial."""

import os
import re
from pathlib import Path

from lrbench.errors import not_installed
from lrbench.files import new_folder
from lrbench.paths import absolute
from lrbench.store.curves import runs_of, scalars, settings_of
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord

__all__ = ["export_mlflow"]

_LARGEST_BATCH = 1000
"""Most metrics that MLflow takes in one call."""


def export_mlflow(suite: SuiteRecord, results: Results, folder: Path) -> int:
    """Write a folder that ``mlflow server --backend-store-uri`` shows, in one step.

    MLflow allows no ``@`` in names, so ``ndcg@10`` becomes ``ndcg_at_10``. Other characters that it does not
    allow, such as those of a model's own loss, become ``_``.

    Args:
        suite: the suite's record.
        results: where its trials are.
        folder: a new folder.

    Returns:
        The number of runs.

    Raises:
        RequestError: MLflow is not installed, or no trial is finished.
    """
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # newer releases refuse a folder without it
    try:
        from mlflow.entities import Metric, Param  # noqa: PLC0415 - slow to import, and an extra
        from mlflow.tracking import MlflowClient  # noqa: PLC0415
    except ImportError:
        raise not_installed("This needs", "MLflow", "mlflow") from None
    runs = runs_of(suite, results)
    with new_folder(folder) as temporary:
        client = MlflowClient(tracking_uri=temporary.resolve().as_uri())
        place = (absolute(folder) / "artifacts").as_uri()  # below the final name, not the temporary one
        experiment = client.create_experiment(suite.name, artifact_location=place)
        for name, trial in runs.items():
            record = trial.record
            run = client.create_run(
                experiment, start_time=int(record.started.timestamp() * 1000), run_name=name
            ).info.run_id
            params = [Param(name, str(value)) for name, value in settings_of(trial).items()]
            client.log_batch(run, params=params)
            points = [
                Metric(_allowed(point.tag), point.value, int(point.time * 1000), point.step)
                for point in scalars(trial)
            ]
            for first in range(0, len(points), _LARGEST_BATCH):
                client.log_batch(run, metrics=points[first : first + _LARGEST_BATCH])
            client.set_terminated(run, end_time=int(record.ended.timestamp() * 1000))
    return len(runs)


def _allowed(tag: str) -> str:
    """Return a tag as a name that MLflow allows."""
    return re.sub(r"[^\w.:/ -]", "_", tag.replace("@", "_at_"), flags=re.ASCII)
