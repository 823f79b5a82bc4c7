"""A trial whose first stages equal those of a finished trial starts from that trial's weights.

A stage knows nothing of the stages after it, nor of the evaluation. Trials with the same first stages
therefore have the same weights after them, bit for bit on one machine with one number of threads. So
``LARES`` goes on where ``w/o RPT`` ended, and a control that differs only in its evaluation trains nothing.
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
    """With how many CPU threads they were trained. The trial goes on with as many."""


def reuse_stages(results: Results, config: TrialConfig, model: Model) -> ReusedStages | None:
    """Load into ``model`` the weights of the finished trial that shares most of its stages with this one.

    The caller has waited for the trials that train those stages, see :attr:`TrialConfig.training_ids`.

    Returns:
        What the training of these stages left; ``None`` if no finished trial begins as this one does.
    """
    finished = _finished(results, config)
    for training_id in reversed(config.training_ids):
        if (folder := finished.get(training_id)) is not None:
            try:
                record = read_record(folder)
                for name in (WEIGHTS_FILE, HISTORY_FILE):
                    check_file(folder / name, record)
                history = read_history(folder).to_dicts()
                load_weights(folder, model)
            except LrbenchError as error:
                log.warning("its stages are not reused: %s", error)
                continue
            stages = tuple(
                stage.model_copy(update={"trained_in": stage.trained_in or folder.name})
                for stage in record.stages
            )
            trained = TrainedStages(stages, history, resumed=0, reused_bytes=record.peak_memory_bytes)
            return ReusedStages(trained, record.threads)
    return None


def _finished(results: Results, config: TrialConfig) -> dict[str, Path]:
    """Return training id → folder of every other finished trial of the same model, data and seed."""
    finished = {}
    for folder in results.trials():
        if folder.name == config.id or not folder.name.startswith(config.prefix):
            continue
        try:
            finished[read_record(folder).config.training_ids[-1]] = folder
        except LrbenchError as error:
            log.warning("its stages are not reused: %s", error)
    return finished
