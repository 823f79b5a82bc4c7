"""One stage of one model on a device, with the data it trains on."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from fixed_places import record as record_anywhere

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.sequences import TrainingView
from lrbench.models.base import GradientStage, Model
from lrbench.models.latent.lares.reinforcement import PostTraining
from lrbench.registry import MODELS
from lrbench.training.epoch import EpochResult, run_epoch
from lrbench.training.optimiser import Optimiser
from lrbench.training.recorded_steps import RecordedSteps, record_on
from lrbench.training.step import GradientStep

__all__ = ["Subject", "quiet", "wait"]

_QUIET = {"start": "zero", "step_sampler": "constant"}


def quiet(name: str) -> dict[str, Any]:
    """Options with which a model draws nothing on the device: no dropout, and no noise at the start."""
    fields = MODELS.load(name).Config.model_fields
    return {each: 0.0 for each in fields if "dropout" in each} | {
        each: value for each, value in _QUIET.items() if each in fields
    }


def wait(device: torch.device) -> None:
    """Wait until the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _every_target(_: PostTraining, data: TrainingData, __: torch.device) -> Any:
    return np.ones(data.n_targets, dtype=np.bool_)


@dataclass
class Subject:
    """A model's stage, its batches and its optimiser. Each starts from the same seed.

    Reinforcement takes every target, since an untrained network would leave few.
    """

    name: str
    stage_name: str
    view: TrainingView
    max_length: int
    device: torch.device
    training: TrainingConfig
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Build the model and begin the stage."""
        torch.manual_seed(1)
        kind = MODELS.load(self.name)
        config = kind.Config(**self.options)
        self.model: Model[Any] = kind(config, self.view.n_items, self.max_length).to(self.device)
        stage = kind.stages[self.stage_name](self.model)
        assert isinstance(stage, GradientStage)
        self.stage = stage
        self.data = TrainingData(self.view, self.max_length, stage.training_rows())
        with patch.object(PostTraining, "_reachable", _every_target):
            self._keep = stage.begin(self.data, self.device)
        stage.begin_epoch(1)
        optimiser = Optimiser(self.model.parameters(), self.training)
        self._step = GradientStep(stage, optimiser, self.training, self.device)
        self._recorded = self._recorder() if self.training.graph else None
        self._source = np.random.default_rng(1)
        self._left = chain.from_iterable(self._epoch() for _ in repeat(None))

    def _epoch(self) -> Iterator[TrainingBatch]:
        filled = self.training.graph
        return self.data.batches(self.training.batch_size, self.device, self._source, self._keep, filled)

    def _recorder(self) -> RecordedSteps:
        """Records CUDA graphs. Elsewhere the recorder of the tests takes their place."""
        record = record_on(self.device) if self.device.type == "cuda" else record_anywhere
        return RecordedSteps(self._step, record)

    def train(self, steps: int) -> EpochResult:
        """Take steps as an epoch of training does. The losses are read at the end."""
        batches = islice(self._left, steps)
        result = run_epoch(self._step, batches, "the benchmark", recorded=self._recorded)
        wait(self.device)
        return result
