"""Trials that begin as a finished one did take its weights over instead of training them again.

A trial's first stages give the same weights in every trial that has them, bit for bit on one machine
with as many threads: a stage knows nothing of those after it, nor of the evaluation. So ``LARES`` goes
on where ``w/o RPT`` ended, and a control that differs in its evaluation alone trains nothing.
"""

import logging
from pathlib import Path

from lrbench.config.trial import EvaluationConfig, TrialConfig
from lrbench.errors import CheckError, LrbenchError
from lrbench.execution.weights import load_weights
from lrbench.models.base import Model
from lrbench.models.reasoning import ReasoningModel
from lrbench.store.layout import Results
from lrbench.store.trials import read_history, read_record
from lrbench.training.trainer import Training

__all__ = ["take_over", "use_latents"]

log = logging.getLogger(__name__)


def take_over(results: Results, config: TrialConfig, model: Model) -> Training | None:
    """Load into ``model`` the weights of the finished trial that shares most of its stages with this one.

    Whoever asks has waited for the trials that train those stages, see :attr:`TrialConfig.training_ids`.

    Returns:
        What the training of these stages left; none where no finished trial begins as this one does.
    """
    finished = _finished(results, config)
    for training_id in reversed(config.training_ids):
        if (folder := finished.get(training_id)) is not None:
            try:
                load_weights(folder, model)
            except CheckError as error:
                log.warning("nothing is taken over: %s", error)
                continue
            record = read_record(folder)
            stages = (
                stage.model_copy(update={"trained_in": stage.trained_in or folder.name})
                for stage in record.stages
            )
            history = read_history(folder).to_dicts()
            return Training(tuple(stages), history, resumed=0, taken_over_bytes=record.peak_memory_bytes)
    return None


def _finished(results: Results, config: TrialConfig) -> dict[str, Path]:
    """Training id → folder of every other finished trial of the same model, data and seed."""
    finished = {}
    for folder in sorted((results.root / "trials").glob(f"{config.prefix}*")):
        if folder.name == config.id:
            continue
        try:
            finished[read_record(folder).config.training_ids[-1]] = folder
        except LrbenchError as error:
            log.warning("nothing is taken over from a trial of another version: %s", error)
    return finished


def use_latents(model: Model, evaluation: EvaluationConfig) -> None:
    """Let a reasoning model's steps take over what the evaluation asks for."""
    if isinstance(model, ReasoningModel):
        model.noise_only = evaluation.latents == "noise"
