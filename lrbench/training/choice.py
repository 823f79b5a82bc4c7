"""Choose a setting of a trained model on validation, in one pass over the users."""

import logging

import numpy as np
import torch

from lrbench.config.protocol import Protocol
from lrbench.data.sequences import EvaluationView
from lrbench.evaluation.ranking import rank_in_order
from lrbench.metrics import metric_function
from lrbench.models.base import ChoiceStage
from lrbench.seeds import noise_seed

__all__ = ["choose"]

log = logging.getLogger(__name__)


def choose(
    stage: ChoiceStage, view: EvaluationView, protocol: Protocol, seed: int, device: torch.device
) -> tuple[float, dict[float, float]]:
    """Give the stage the candidate with the best selection metric. Of equally good ones it is the first.

    Args:
        stage: gives the candidates and the states for each of them.
        view: the validation part.
        protocol: gives the selection metric and says whether seen items are masked.
        seed: seed of the trial.
        device: where the model is.

    Returns:
        The best candidate, and the selection metric of each candidate.
    """
    candidates = stage.candidates()
    order = np.argsort(view.stops - view.starts, kind="stable")
    ranks = rank_in_order(
        stage.model,
        view,
        order,
        range(len(candidates)),
        noise_seed(seed, "selection", 0),
        device,
        lambda users, sequences, noise: stage.encode(sequences),
    )
    metric = metric_function(protocol.selection_metric)
    headline, ties = ranks.headline(protocol.mask_seen)  # (candidates, users) each
    values = [float(metric(*each).mean()) for each in zip(headline, ties, strict=True)]
    best = candidates[int(np.argmax(values))]
    stage.choose(best)
    log.info("chosen: %s among %s", best, dict(zip(candidates, values, strict=True)))
    return best, dict(zip(candidates, values, strict=True))
