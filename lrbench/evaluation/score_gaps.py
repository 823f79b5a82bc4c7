"""How much scores must change until targets have other ranks.

Another machine, device, version or number of threads rounds scores differently. Such a change moves a target
only past items with almost the same score. If a rank differs by more than that, rounding cannot be the
reason.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lrbench.arrays import Floats
from lrbench.data.sequences import EvaluationView
from lrbench.evaluation.chunks import encoded_chunks, shortest_first
from lrbench.models.base import Model

__all__ = ["score_gaps"]


def score_gaps(
    model: Model,
    view: EvaluationView,
    depths: Sequence[int],
    noise_seed: int,
    device: torch.device,
    wanted: Floats,
) -> Floats:
    """Return the score change that gives targets the wanted ranks, as a share of the largest score.

    Args:
        model: a trained model. It is put into evaluation mode.
        view: histories and targets.
        depths: ascending reasoning depths.
        noise_seed: as for :func:`lrbench.evaluation.ranking.rank_targets`.
        device: where the model is.
        wanted: mid-ranks over all items, (depths, targets). NaN where no gap is asked for.

    Returns:
        (depths, targets). The largest score is that with the largest absolute value. The gap is NaN where
        ``wanted`` is NaN, and infinite where no score change gives that rank.
    """
    order = shortest_first(model, view)  # as in ranking: the noise is drawn in this order
    view, wanted = view.reordered(order), wanted[:, order]
    gaps = np.full(wanted.shape, np.nan)
    with torch.inference_mode():
        for chunk, states in encoded_chunks(model, view, depths, noise_seed, device):
            asked = np.argwhere(~np.isnan(wanted[:, chunk]))
            for index, row in asked.tolist():
                place = chunk.start + row
                scores = model.score(states[index, row : row + 1])[0]  # (items,)
                if view.not_ranked is not None:
                    ranked = torch.ones(len(scores), dtype=torch.bool, device=device)
                    ranked[torch.from_numpy(view.not_ranked).to(device)] = False
                    ranked[int(view.targets[place])] = True
                    target = int(ranked[: int(view.targets[place])].sum())
                    scores = scores[ranked]
                else:
                    target = int(view.targets[place])
                gaps[index, place] = _gap(scores, target, float(wanted[index, place]))
    return gaps[:, np.argsort(order)]


def _gap(scores: Tensor, target: int, wanted: float) -> float:
    """Return the gap of one target.

    Args:
        scores: (items,)
        target: index of the target among them.
        wanted: the mid-rank that the target should have.
    """
    score = float(scores[target])
    others = torch.cat([scores[:target], scores[target + 1 :]]).double()  # (items - 1,)
    above, level = int((others > score).sum()), int((others == score).sum())
    rank = 1 + above + level / 2
    if wanted == rank:
        return 0.0
    # To fall, the target must be reached by the best items below it. To rise, it must reach the worst items
    # above it. `last` is the rank, among the other items, of the last item that target must meet.
    last = int(np.ceil(wanted)) - 1 if wanted > rank else int(np.floor(wanted))
    if not 1 <= last <= len(others):
        return float("inf")
    passed = float(torch.topk(others, last).values[-1])
    scale = float(scores.abs().max())
    return abs(passed - score) / scale if scale else 0.0
