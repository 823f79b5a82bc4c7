"""Losses of a target against sampled items, for catalogues too wide for the full softmax or papers that
sample.

p is the score of a target. n₁ … n_K are the scores of its negatives, drawn uniformly from the catalogue:

* sampled softmax: ``−log(exp(p) / (exp(p) + Σ exp(n_k)))``;
* generalised binary cross-entropy (gSASRec; Petrov & Macdonald, RecSys 2023): ``−(β·log σ(p) + Σ log(1 −
  σ(n_k))) / (K + 1)`` with the calibration of :func:`positive_power`;
* binary cross-entropy (SASRec; Kang & McAuley, ICDM 2018): ``−log σ(p) − Σ log(1 − σ(n_k))``;
* Bayesian personalised ranking: ``−log σ(p − n)``, mean over negatives.

All return the mean over targets. No targets × items matrix exists here.
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
        targets: (targets,), for their number and device.
        n_items: items of the catalogue.
        number: negatives of each target.
        shared: whether all targets share one draw.

    Returns:
        (targets, number), or (number,) if shared.
    """
    shape = (number,) if shared else (len(targets), number)
    return torch.randint(n_items, shape, device=targets.device)


def positive_power(number: int, n_items: int, calibration: float) -> float:
    """Power β of the target's probability in gBCE: ``α·((1 − 1/α)·t + 1/α)``.

    With t = 0 it is 1 (plain binary cross-entropy). With t = 1 it is the sampling rate α = K / (items − 1),
    which undoes the overconfidence that sampling causes.
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
        loss: which loss.
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        negatives: (targets, K), or (K,) for all targets. One that equals the target is no negative in the
            sampled softmax, and an ordinary one in the other losses, as in their authors' code.
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
