"""Losses of a target against sampled items, where the full softmax is too wide or a paper samples.

With p the score of a target and n₁ … n_K those of its negatives, drawn uniformly from the catalogue:

* sampled softmax: ``−log(exp(p) / (exp(p) + Σ exp(n_k)))``;
* generalised binary cross-entropy (gSASRec; Petrov & Macdonald, RecSys 2023):
  ``−(β·log σ(p) + Σ log(1 − σ(n_k))) / (K + 1)`` with the calibration of :func:`positive_power`;
* binary cross-entropy (SASRec; Kang & McAuley, ICDM 2018): ``−log σ(p) − Σ log(1 − σ(n_k))``;
* Bayesian personalised ranking: ``−log σ(p − n)``, mean over negatives.

All return the mean over targets. Nothing here exists for all targets and as wide as the catalogue at once.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.objectives.sparse_scores import chosen_scores

__all__ = ["SampledLoss", "draw_negatives", "positive_power", "sampled_loss"]

SampledLoss = Literal["sampled_softmax", "gbce", "bce", "bpr"]


def draw_negatives(targets: Tensor, n_items: int, number: int, shared: bool) -> Tensor:
    """Draw item numbers uniformly from torch's default generator.

    Args:
        targets: (targets,), for their device.
        n_items: items of the catalogue.
        number: negatives of each target.
        shared: one draw for all targets.

    Returns:
        (targets, number), or (number,) where shared.
    """
    shape = (number,) if shared else (len(targets), number)
    return torch.randint(n_items, shape, device=targets.device)


def positive_power(number: int, n_items: int, calibration: float) -> float:
    """Power β of the target's probability in gBCE: ``α·((1 − 1/α)·t + 1/α)``.

    With t = 0 it is 1 (plain binary cross-entropy); with t = 1 it is the sampling rate α = K / (items − 1),
    which undoes the overconfidence that sampling brings.
    """
    rate = number / (n_items - 1)
    return rate * ((1 - 1 / rate) * calibration + 1 / rate)


def sampled_loss(
    loss: SampledLoss,
    states: Tensor,
    item_vectors: Tensor,
    targets: Tensor,
    negatives: Tensor,
    power: float = 1.0,
) -> Tensor:
    """Mean loss of targets against given negatives.

    Args:
        loss: which.
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        negatives: (targets, K), or (K,) for all targets; one that is the target itself counts as no
            negative in the sampled softmax and as an ordinary one in the others, as their authors have it.
        power: β of gBCE.
    """
    positive = (states * F.embedding(targets, item_vectors)).sum(1, keepdim=True)  # (targets, 1)
    if negatives.ndim == 1:
        negative = states @ F.embedding(negatives, item_vectors).T  # (targets, K)
    else:
        negative = chosen_scores(states, item_vectors, negatives)
    match loss:
        case "sampled_softmax":
            negative = negative.masked_fill(negatives == targets.unsqueeze(1), -torch.inf)
            return (torch.cat((positive, negative), 1).logsumexp(1) - positive.squeeze(1)).mean()
        case "gbce":
            total = power * F.logsigmoid(positive).squeeze(1) + F.logsigmoid(-negative).sum(1)
            return -total.mean() / (negative.shape[1] + 1)
        case "bce":
            return -(F.logsigmoid(positive).squeeze(1) + F.logsigmoid(-negative).sum(1)).mean()
        case "bpr":
            return -F.logsigmoid(positive - negative).mean()
