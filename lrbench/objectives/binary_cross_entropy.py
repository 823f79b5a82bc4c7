"""Binary cross-entropy, plain and generalised (gBCE): every target is a "yes", every negative a "no".

p is the score of a target. n₁ … n_K are the scores of its negatives.

* Plain, as in SASRec (Kang & McAuley, ICDM 2018): ``−log σ(p) − Σ log(1 − σ(n_k))``.
* Generalised, as in gSASRec (Petrov & Macdonald, RecSys 2023), with β from :func:`positive_power`:
  ``−(β·log σ(p) + Σ log(1 − σ(n_k))) / (K + 1)``.
"""

import torch.nn.functional as F
from torch import Tensor

from lrbench.objectives.means import mean_over_rows

__all__ = ["binary_cross_entropy", "generalised_binary_cross_entropy", "positive_power"]


def binary_cross_entropy(positive: Tensor, negative: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean over targets of the plain loss, a scalar.

    Args:
        positive: (targets, 1) scores of the targets.
        negative: (targets, K) scores of their negatives.
        weights: (targets,) weight of each target's loss; they add up to 1. ``None``: all the same.
    """
    logs = F.logsigmoid(positive).squeeze(1) + F.logsigmoid(-negative).sum(1)  # (targets,)
    return -mean_over_rows(logs, weights)


def generalised_binary_cross_entropy(
    positive: Tensor, negative: Tensor, power: float, weights: Tensor | None = None
) -> Tensor:
    """Return the mean over targets of the generalised loss, a scalar.

    Args:
        positive: (targets, 1) scores of the targets.
        negative: (targets, K) scores of their negatives.
        power: β; see :func:`positive_power`.
        weights: (targets,) weight of each target's loss; they add up to 1. ``None``: all the same.
    """
    total = power * F.logsigmoid(positive).squeeze(1) + F.logsigmoid(-negative).sum(1)
    return -mean_over_rows(total, weights) / (negative.shape[1] + 1)


def positive_power(number: int, n_items: int, calibration: float) -> float:
    """Return β, the power of the target's probability in gBCE: ``α·((1 − 1/α)·t + 1/α)``.

    Here α = K / (items − 1) is the sampling rate. With t = 0, β is 1. With t = 1, β is α, which undoes the
    overconfidence that sampling causes. A catalogue of one item has no negatives; α is then K.

    Args:
        number: negatives of each target, K.
        n_items: items of the catalogue.
        calibration: t, from 0 to 1.
    """
    rate = number / max(n_items - 1, 1)
    return rate * ((1 - 1 / rate) * calibration + 1 / rate)
