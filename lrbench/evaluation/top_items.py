"""The items that a model ranks highest for each user, among the candidates of the protocol.

A target's place in its list is its rank, unless other items have exactly its score. Items of equal score are
in the order of their numbers.
"""

from dataclasses import dataclass

import numpy as np
import torch

from lrbench.arrays import Floats, Int64s
from lrbench.data.sequences import EvaluationView
from lrbench.data.transfer import on_device
from lrbench.evaluation.chunks import blocks, encoded_chunks, not_finite, shortest_first
from lrbench.evaluation.ranking import NonFiniteScoresError
from lrbench.models.base import Model

__all__ = ["TopItems", "top_items"]


@dataclass(frozen=True)
class TopItems:
    """A list for each history, the highest score first."""

    items: Int64s  # (targets, most) item numbers; −1 where a history has fewer candidates
    scores: Floats  # (targets, most); −inf there


@torch.inference_mode()
def top_items(
    model: Model,
    view: EvaluationView,
    depth: int,
    most: int,
    noise_seed: int,
    device: torch.device,
    masked: bool,
) -> TopItems:
    """Return the items with the highest scores for every history.

    Args:
        model: a trained model. It is put into evaluation mode.
        view: histories and targets.
        depth: number of reasoning steps.
        most: length of the lists; at most the number of items.
        noise_seed: as for :func:`lrbench.evaluation.ranking.rank_targets`.
        device: where the model is.
        masked: whether to leave out the items of the history, except the target.

    Returns:
        Lists in the order of ``view``.

    Raises:
        NonFiniteScoresError: a score is NaN or infinite.
    """
    order = shortest_first(model, view)  # as in ranking: the noise is drawn in this order
    view = view.reordered(order)
    items = np.empty((len(view), most), dtype=np.int64)
    scores = np.empty((len(view), most))
    not_ranked = None if view.not_ranked is None else on_device(view.not_ranked, device)
    for chunk, (states,) in encoded_chunks(model, view, (depth,), noise_seed, device):
        for block in blocks(view, chunk, device):
            known = model.score(states[block.in_chunk])  # (block, items)
            if not_finite(known):
                raise NonFiniteScoresError(depth)
            if not_ranked is not None:
                known = known.index_fill(1, not_ranked, -torch.inf)
            if masked:
                known = known.index_put(block.seen, known.new_tensor(-torch.inf))
            best, places = known.sort(dim=1, descending=True, stable=True)
            best, places = best[:, :most].double(), places[:, :most]
            scores[block.in_view] = best.cpu().numpy()
            items[block.in_view] = places.masked_fill(best == -torch.inf, -1).cpu().numpy()
    back = np.argsort(order)
    return TopItems(items[back], scores[back])
