"""The loss of the next item as an option, for models that score by ``state · item vector``."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from pydantic import Field
from torch import Tensor

from lrbench.models.base import ModelConfig
from lrbench.objectives.binary_cross_entropy import positive_power
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.sampled import SampledLoss, draw_negatives, sampled_loss
from lrbench.wording import listed

__all__ = ["LossName", "LossOptions", "next_item_loss"]

LossName = Literal["cross_entropy", SampledLoss]

_SAMPLED = [f'"{loss}"' for loss in get_args(SampledLoss)]  # as a suite writes them
_MANY = 256  # negatives of gSASRec and of eSASRec, the default of sampled_softmax and gbce


class LossOptions(ModelConfig):
    """The loss of the next item and its settings."""

    source = "lrbench's own choice, the same for every model that makes no other"

    loss: LossName = "cross_entropy"
    """Loss of the next item. ``cross_entropy``: the full softmax over the catalogue. The others use
    uniformly sampled items as negatives. ``sampled_softmax``: a softmax over target and negatives. ``gbce``:
    generalised binary cross-entropy (gSASRec). ``bce``: binary cross-entropy (SASRec's paper). ``bpr``:
    Bayesian personalised ranking. ``bce`` with one negative makes any network a weak baseline, so it is never
    the default."""

    negatives: int | None = Field(default=None, ge=1)
    """Number of negatives per target. Not set: 256 for ``sampled_softmax`` and ``gbce`` (gSASRec, eSASRec), 1
    for ``bce`` and ``bpr`` (SASRec, RecBole)."""

    shared_negatives: bool = False
    """Whether all targets of a batch share one draw of negatives, which is far cheaper."""

    calibration: float = Field(default=0.75, ge=0, le=1)
    """t of ``gbce`` (gSASRec: 0.75). 0: plain binary cross-entropy. 1: the effect of sampling is undone."""

    item_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate on the elements of all item vectors. Each training step draws its mask once, for histories
    and scores alike (RecTools 0.13)."""

    temperature: float = Field(default=1.0, gt=0)
    """It divides all scores, in training and in ranking."""

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options of negatives without negatives, and a calibration of a loss that has none.

        Raises:
            ValueError: the option and the losses that use it.
        """
        super().check_effects(stages)
        if self.loss == "cross_entropy":
            self.refuse_changed(
                ("negatives", "shared_negatives"),
                'loss = "cross_entropy" scores all items',
                f"set loss to {listed(_SAMPLED, 'or')}",
            )
        if self.loss != "gbce":
            self.refuse_changed(("calibration",), f'loss = "{self.loss}" has none', 'set loss = "gbce"')


def next_item_loss(
    options: LossOptions,
    states: Tensor,
    item_vectors: Tensor,
    targets: Tensor,
    score_dtype: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean loss of the targets. The item vectors already include the temperature.

    Args:
        options: the loss and its settings.
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        score_dtype: type of the scores of all items, which only ``cross_entropy`` has; ``None``: the type of
            the states.
        weights: (targets,) weight of each target's loss; they add up to 1. ``None``: all the same.
    """
    if options.loss == "cross_entropy":
        return cross_entropy(states, item_vectors, targets, score_dtype, weights)
    usual = _MANY if options.loss in ("sampled_softmax", "gbce") else 1
    number, n_items = options.negatives or usual, len(item_vectors)
    negatives = draw_negatives(targets, n_items, number, options.shared_negatives)
    power = positive_power(number, n_items, options.calibration) if options.loss == "gbce" else 1.0
    return sampled_loss(options.loss, states, item_vectors, targets, negatives, power, weights)
