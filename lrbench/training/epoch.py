"""One epoch of gradient steps."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingBatch
from lrbench.models.base import GradientStage, Model
from lrbench.training.loss_record import LossRecord
from lrbench.training.optimiser import Optimiser

__all__ = ["STEPS_PER_READ", "EpochResult", "run_epoch"]

STEPS_PER_READ = 32
"""Steps between two reads of the losses on an accelerator. Each read waits for the device."""


@dataclass(frozen=True)
class EpochResult:
    """What an epoch did."""

    terms: dict[str, float]  # means over steps, weighted by targets
    last: Mapping[str, float]  # of the last step
    steps: int
    targets: int
    tokens: int
    seconds: float


def run_epoch(
    stage: GradientStage,
    optimiser: Optimiser,
    batches: Iterable[TrainingBatch],
    training: TrainingConfig,
    device: torch.device,
    where: str,
    last: Mapping[str, float] = {},
) -> EpochResult:
    """Take one step per batch.

    Args:
        stage: gives the losses.
        optimiser: over the model's parameters.
        batches: those of the epoch.
        training: settings.
        device: where the model is.
        where: names stage and epoch in messages.
        last: loss terms of the step before the first of these; empty if there is none.

    Raises:
        LrbenchError: a loss became NaN or infinite. The message names the step and the last finite values.
            On an accelerator losses are read every :data:`STEPS_PER_READ` steps, so the error comes later.
    """
    model: Model = stage.model
    model.train()
    coarse = torch.bfloat16 if training.precision == "bfloat16" else None
    model.score_dtype = coarse
    started = time.perf_counter()
    record = LossRecord(where, last)
    read_every = STEPS_PER_READ if device.type != "cpu" else 1
    targets = tokens = 0
    for batch in batches:
        with _network_products(coarse, device), model.one_step():
            terms = stage.losses(batch)
        count = len(batch.target_ids)
        record.add(terms, count)
        if record.steps % read_every == 0:
            record.read()
        _step(terms["loss"], optimiser, model, training.gradient_clip)
        del terms  # otherwise their graph stays in memory throughout the next step
        targets += count
        tokens += batch.sequences.n_tokens
    record.read()
    seconds = time.perf_counter() - started
    return EpochResult(record.means(), record.last, record.steps, targets, tokens, seconds)


def _network_products(coarse: torch.dtype | None, device: torch.device) -> torch.autocast:
    """Autocast of the network's own products. On an accelerator they are coarse too; on a CPU only scores
    are.
    """
    return torch.autocast(device.type, coarse, enabled=coarse is not None and device.type != "cpu")


def _step(loss: Tensor, optimiser: Optimiser, model: Model, gradient_clip: float | None) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if gradient_clip is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), gradient_clip)
    optimiser.step()
