"""One epoch of gradient steps."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from lrbench.data.batches import TrainingBatch
from lrbench.training.loss_record import LossRecord
from lrbench.training.recorded_steps import RecordedSteps
from lrbench.training.step import GradientStep

__all__ = ["STEPS_PER_READ", "EpochResult", "run_epoch"]

STEPS_PER_READ = 32
"""Steps between two readings of the losses on an accelerator. Each reading waits for the device."""


@dataclass(frozen=True)
class EpochResult:
    """Losses, counts and time of an epoch."""

    terms: dict[str, float]  # loss terms by name, means over steps weighted by targets
    last: Mapping[str, float]  # loss terms of the last step
    steps: int
    targets: int  # of all processes that train together
    tokens: int  # of this process
    seconds: float


def run_epoch(
    step: GradientStep,
    batches: Iterable[TrainingBatch],
    where: str,
    last: Mapping[str, float] = {},
    *,
    recorded: RecordedSteps | None = None,
) -> EpochResult:
    """Take one step per batch.

    Args:
        step: takes the steps.
        batches: the batches of the epoch.
        where: names stage and epoch in messages.
        last: loss terms of the step before the epoch. Empty if there is none.
        recorded: takes them instead if they are recorded and replayed. ``None``: steps are ordinary.

    Raises:
        SettingsError: a loss became NaN or infinite. The message names the step and the last finite values.
            An accelerator reads losses every :data:`STEPS_PER_READ` steps, so there the error comes later.
    """
    model = step.model
    model.train()
    model.score_dtype = torch.bfloat16 if step.training.precision == "bfloat16" else None
    started = time.perf_counter()
    record = LossRecord(where, last)
    read_every = STEPS_PER_READ if step.device.type != "cpu" else 1
    targets = tokens = 0
    for batch in batches:
        step.optimiser.advance()
        terms = step.losses(batch) if recorded is None else recorded.take(batch)
        count = batch.whole_targets
        record.add(terms, count)
        if record.steps % read_every == 0:
            record.read()
        if recorded is None:
            step.follow(terms)
        del terms  # otherwise their graph stays in memory throughout the next step
        targets += count
        tokens += batch.sequences.n_tokens
    record.read()
    seconds = time.perf_counter() - started
    return EpochResult(record.means(), record.last, record.steps, targets, tokens, seconds)
