"""What trials will cost, measured on a few real optimiser steps."""

from dataclasses import replace
from itertools import islice

import numpy as np
import torch

from lrbench.config.trial import StageConfig, TrialConfig
from lrbench.data.batches import TrainingData
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import TrainingView
from lrbench.data.splitting import split
from lrbench.execution.train_and_rank import build_model
from lrbench.models.base import ChoiceStage, FitStage, GradientStage, Model
from lrbench.seeds import shuffle_source
from lrbench.training.epoch import run_epoch
from lrbench.training.optimiser import Optimiser
from lrbench.training.step import GradientStep

__all__ = ["seconds_per_epoch"]

_STEPS = 3


def seconds_per_epoch(
    config: TrialConfig, dataset: PreparedDataset, device: torch.device, skip: int = 0
) -> dict[str, float]:
    """Estimate the seconds of one training epoch of each stage after the first ``skip``, without validation.

    One step warms up, then a few steps are timed. They use just enough users for these steps, so that a
    stage's preparation is short. A stage that filters its rows is timed on all of them, which gives an upper
    bound. Stages that are fitted in one call take 0.
    """
    model = build_model(config, dataset, device)
    view = split(dataset.sequences, config.protocol).train
    return {
        stage.name: _stage_seconds(stage, model, view, config.seed, device) for stage in config.stages[skip:]
    }


def _stage_seconds(
    config: StageConfig, model: Model, view: TrainingView, seed: int, device: torch.device
) -> float:
    stage = model.stages[config.name](model)
    if isinstance(stage, FitStage | ChoiceStage):
        return 0.0
    assert isinstance(stage, GradientStage)
    rows = config.training.rows or stage.training_rows()
    whole = TrainingData(view, model.max_length, rows, config.training.long_sequences)
    some = _some_users(whole, (1 + _STEPS) * config.training.batch_size, seed)
    data = TrainingData(some, model.max_length, rows, config.training.long_sequences)
    stage.begin(data, device)
    stage.begin_epoch(1)
    optimiser = Optimiser(model.parameters(), config.training, stage_steps=1 + _STEPS)
    step = GradientStep(stage, optimiser, config.training, device)
    batches = data.batches(config.training.batch_size, device, shuffle_source(seed, 0, 1))
    first, timed = (run_epoch(step, islice(batches, steps), "the estimate") for steps in (1, _STEPS))
    epoch = timed if timed.steps else first  # the data may be so small that one step is the whole epoch
    targets = stage.most_targets(whole.n_targets)
    return epoch.seconds / epoch.targets * targets if epoch.targets else 0.0


def _some_users(data: TrainingData, targets: int, seed: int) -> TrainingView:
    """Draw users at random until they have ``targets`` targets; all users if there are fewer."""
    view = data.view
    drawn = np.random.default_rng(seed).permutation(len(view.starts))
    users = np.searchsorted(view.starts, data.target_starts)
    counts = np.bincount(users, minlength=len(view.starts))[drawn]
    chosen = np.sort(drawn[: np.searchsorted(np.cumsum(counts), targets) + 1])
    return replace(view, starts=view.starts[chosen], stops=view.stops[chosen])
