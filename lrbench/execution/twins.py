"""Trials that differ in their evaluation alone: the second takes the weights of the first.

Training is the same for the same configuration, bit for bit on one machine, so nothing is lost.
"""

from pathlib import Path

from safetensors.torch import load_file

from lrbench.config.trial import EvaluationConfig, TrialConfig
from lrbench.models.base import Model
from lrbench.models.reasoning import ReasoningModel
from lrbench.store.layout import Results
from lrbench.store.trials import read_history, read_record
from lrbench.training.trainer import Training

__all__ = ["adopt", "find_twin", "use_latents"]


def find_twin(results: Results, config: TrialConfig) -> Path | None:
    """The folder of a finished trial that was trained in the same way, or none.

    Whoever asks holds the lock of this training, so no other process is about to finish one.
    """
    for folder in sorted((results.root / "trials").glob(f"{config.prefix}*")):
        if folder.name != config.id and read_record(folder).config.training_id == config.training_id:
            return folder
    return None


def adopt(twin: Path, model: Model) -> Training:
    """Load the twin's weights into ``model`` and return what its training left."""
    model.load_state_dict(load_file(twin / "weights.safetensors"))
    record = read_record(twin)
    return Training(record.stages, read_history(twin).to_dicts(), record.resumed)


def use_latents(model: Model, evaluation: EvaluationConfig) -> None:
    """Let a reasoning model's steps take over what the evaluation asks for."""
    if isinstance(model, ReasoningModel):
        model.noise_only = evaluation.latents == "noise"
