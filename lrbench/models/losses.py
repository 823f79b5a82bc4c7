"""The loss of the next item as an option, for models that score by ``state · item vector``."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from lrbench.models.base import ModelConfig
from lrbench.objectives.binary_cross_entropy import positive_power
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.sampled import SampledLoss, draw_negatives, sampled_loss

__all__ = ["LossName", "NextItemLoss", "next_item_loss"]

LossName = Literal["cross_entropy", SampledLoss]

_FULL = 256  # negatives of gSASRec and of eSASRec


class NextItemLoss(ModelConfig):
    """Which loss the scores of the next item are trained with."""

    source = "lrbench's own choice, the same for every model that makes no other"

    loss: LossName = "cross_entropy"
    """Loss of the next item. ``cross_entropy`` is the full softmax over the catalogue. The others use
    uniformly sampled items: sampled softmax, generalised binary cross-entropy (gSASRec), binary cross-entropy
    (SASRec's paper), Bayesian personalised ranking. Binary cross-entropy with one negative makes any network
    a weak baseline, so it is never the default."""

    negatives: int | None = Field(default=None, ge=1)
    """Sampled items per target. Not set: 256 for ``sampled_softmax`` and ``gbce`` (gSASRec, eSASRec), 1 for
    ``bce`` and ``bpr`` (SASRec, RecBole)."""

    shared_negatives: bool = False
    """Whether all targets of a batch share one draw of negatives, which is far cheaper."""

    calibration: float = Field(default=0.75, ge=0, le=1)
    """t of ``gbce``. 0 is plain binary cross-entropy; 1 undoes the effect of sampling (gSASRec: 0.75)."""

    item_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate on the vectors of all items. Each training step draws it once, for histories and scores
    alike (RecTools 0.13)."""

    temperature: float = Field(default=1.0, gt=0)
    """Divides the scores, in training and in ranking."""


def next_item_loss(
    options: NextItemLoss,
    states: Tensor,
    item_vectors: Tensor,
    targets: Tensor,
    score_dtype: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean loss of the targets. The item vectors already include the temperature.

    Args:
        options: which loss.
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        score_dtype: type of the scores of all items, which only ``cross_entropy`` has; ``None``: the type of
            the states.
        weights: (targets,) what the loss of each target counts; they add up to 1. ``None``: all the same.
    """
    if options.loss == "cross_entropy":
        return cross_entropy(states, item_vectors, targets, score_dtype, weights)
    usual = _FULL if options.loss in ("sampled_softmax", "gbce") else 1
    number, n_items = options.negatives or usual, len(item_vectors)
    negatives = draw_negatives(targets, n_items, number, options.shared_negatives)
    power = positive_power(number, n_items, options.calibration) if options.loss == "gbce" else 1.0
    return sampled_loss(options.loss, states, item_vectors, targets, negatives, power, weights)
