"""One epoch of gradient steps."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingBatch
from lrbench.errors import LrbenchError
from lrbench.models.base import GradientStage, Model
from lrbench.training.optimiser import Optimiser

__all__ = ["EpochResult", "run_epoch"]


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
    """
    model: Model = stage.model
    model.train()
    coarse = torch.bfloat16 if training.precision == "bfloat16" else None
    model.score_dtype = coarse
    started = time.perf_counter()
    sums: dict[str, float] = {}
    weights: dict[str, int] = {}  # a term may be absent from some batches
    steps = targets = tokens = 0
    for batch in batches:
        with _network_products(coarse, device), model.one_step():
            terms = stage.losses(batch)
        values = _values(terms)
        steps += 1
        if not math.isfinite(values["loss"]):
            raise LrbenchError(
                f"The loss became {values['loss']} in {where}, at step {steps} of the epoch; "
                f"the last finite values were {dict(last) or 'none'}.",
                "Lower the learning rate or set gradient_clip.",
            )
        _step(terms["loss"], optimiser, model, training.gradient_clip)
        del terms  # otherwise their graph stays in memory throughout the next step
        count = len(batch.target_ids)
        targets += count
        tokens += batch.sequences.n_tokens
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value * count
            weights[name] = weights.get(name, 0) + count
        last = values
    means = {name: total / weights[name] for name, total in sums.items()}
    return EpochResult(means, last, steps, targets, tokens, time.perf_counter() - started)


def _network_products(coarse: torch.dtype | None, device: torch.device) -> torch.autocast:
    """Autocast of the network's own products. On an accelerator they are coarse too; on a CPU only scores
    are.
    """
    return torch.autocast(device.type, coarse, enabled=coarse is not None and device.type != "cpu")


def _values(terms: dict[str, Tensor]) -> dict[str, float]:
    """All terms as numbers, with one transfer from the device."""
    stacked = torch.stack([term.detach().float() for term in terms.values()])
    return dict(zip(terms, stacked.tolist(), strict=True))


def _step(loss: Tensor, optimiser: Optimiser, model: Model, gradient_clip: float | None) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if gradient_clip is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), gradient_clip)
    optimiser.step()
