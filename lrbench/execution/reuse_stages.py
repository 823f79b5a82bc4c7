"""A trial whose first stages equal those of a finished trial starts from that trial's weights.

A stage depends neither on the stages after it nor on the evaluation. Trials with the same first stages
therefore have the same weights after these stages, bit for bit on one machine with one number of threads. So
``LARES`` starts from the weights of ``LARES w/o RPT``. A control that differs only in its evaluation trains
nothing.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from lrbench.config.trial import TrialConfig
from lrbench.errors import LrbenchError
from lrbench.execution.weights import load_weights
from lrbench.models.base import Model
from lrbench.store.integrity import check_file
from lrbench.store.layout import HISTORY_FILE, WEIGHTS_FILE, Results
from lrbench.store.trials import read_history, read_record
from lrbench.training.trainer import TrainedStages

__all__ = ["ReusedStages", "reuse_stages"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReusedStages:
    """First stages of a trial that another trial has trained."""

    stages: TrainedStages
    threads: int
    """The number of CPU threads that trained them. The trial goes on with the same number."""


def reuse_stages(results: Results, config: TrialConfig, model: Model, done: int = 0) -> ReusedStages | None:
    """Load into ``model`` the weights of the finished trial that shares the most first stages with this one.

    The stages of that trial must be the first stages of this one. The caller has waited for trials that train
    such stages, see :attr:`TrialConfig.training_ids`. Damaged trials are logged and left out.

    Args:
        results: where the trials are.
        config: this trial's.
        model: receives the weights.
        done: how many of its stages this trial has trained itself. Only a trial with more is of use.

    Returns:
        The records and the history of these stages; ``None`` if there is no such trial.
    """
    finished = _finished(results, config)
    for training_id in reversed(config.training_ids[done:]):
        for folder in finished.get(training_id, ()):
            try:
                return _load(folder, model)
            except LrbenchError as error:
                log.warning("the stages of a trial are not reused: %s", error)
    return None


def _finished(results: Results, config: TrialConfig) -> dict[str, list[Path]]:
    """Return training id → folders, of all other finished trials of the same model, data and seed."""
    finished: dict[str, list[Path]] = {}
    for folder in results.trials():
        if folder.name == config.id or not folder.name.startswith(config.prefix):
            continue
        try:
            training_id = read_record(folder).config.training_ids[-1]
        except LrbenchError as error:
            log.warning("the stages of a trial are not reused: %s", error)
        else:
            finished.setdefault(training_id, []).append(folder)
    return finished


def _load(folder: Path, model: Model) -> ReusedStages:
    """Load into ``model`` the weights of the finished trial in ``folder``, all of whose stages are wanted.

    Raises:
        LrbenchError: the trial is damaged. The model is as before.
    """
    record = read_record(folder)
    for name in (WEIGHTS_FILE, HISTORY_FILE):
        check_file(folder / name, record)
    history = read_history(folder).to_dicts()
    load_weights(folder, model)
    stages = tuple(
        stage.model_copy(update={"trained_in": stage.trained_in or folder.name}) for stage in record.stages
    )
    trained = TrainedStages(stages, history, resumed=0, reused_bytes=record.peak_memory_bytes)
    return ReusedStages(trained, record.threads)
