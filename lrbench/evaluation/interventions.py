"""Rank with the same weights and histories but another latent, and measure how much the scores change.

A donor is a history of another user in the same chunk. Its latent replaces a history's own. The order of the
histories decides the donors:

* ``shuffle``: Histories are in random order. The donor is the next one of another user. In a chunk of one
  user, histories keep their own latents.
* ``matched``: Histories of one kind are next to each other. A kind is a combination of bins of history
  length, target popularity and own rank. The donor is the next one of the kind by another user. If the chunk
  has none, it is the next one of another user.

The four interventions come from CURE, a public research plan, as far as it describes them. Bins and exact
definitions are lrbench's.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lrbench.arrays import Floats, Int64s
from lrbench.config.interventions import Intervention
from lrbench.data.batches import evaluation_batches
from lrbench.data.packing import Packed
from lrbench.data.sequences import EvaluationView, TrainingView
from lrbench.data.transfer import on_device
from lrbench.evaluation.chunks import HISTORIES_PER_CHUNK
from lrbench.evaluation.latents import replacing
from lrbench.evaluation.ranking import Ranks, rank_in_order
from lrbench.models.base import Model
from lrbench.models.reasoning import Replacement
from lrbench.seeds import replacement_seed

__all__ = ["Arrangement", "arranged", "kinds_of_histories", "mean_divergence", "rank_with"]


@dataclass(frozen=True)
class Arrangement:
    """An intervention on the histories of an evaluation: their order, and whose latent each gets."""

    kind: Intervention
    order: Int64s  # (targets,) place in the view of the history at each position
    donors: Int64s | None  # (targets,) position within the chunk of each position's donor

    def replacement(self, chunk: slice, device: torch.device, source: torch.Generator) -> Replacement:
        """Return what the reasoning steps get instead of their own latents.

        Args:
            chunk: of positions.
            device: where the model is.
            source: of noise that replaces latents, on that device.
        """
        if self.donors is None:
            return Replacement("zero") if self.kind == "zero" else Replacement("noise", source=source)
        return Replacement("other", on_device(self.donors[chunk], device))


def kinds_of_histories(view: EvaluationView, train: TrainingView, ranks: Floats) -> Int64s:
    """Return the kind of each history as a number, (targets,).

    A kind is a combination of three bins. History length and own rank are binned by powers of two, and the
    target's number of training interactions by quartiles.

    Args:
        view: histories and targets.
        train: the training part.
        ranks: of the targets without an intervention, (targets,).
    """
    counts = np.bincount(train.items[train.interactions], minlength=train.n_items)[view.targets]
    quartile = np.searchsorted(np.quantile(counts, [0.25, 0.5, 0.75]), counts, side="left")
    length = np.log2(view.stops - view.starts).astype(np.int64)
    rank = np.log2(ranks).astype(np.int64)
    _, kinds = np.unique(np.stack((length, quartile, rank)), axis=1, return_inverse=True)
    return np.asarray(kinds, dtype=np.int64)


def arranged(kind: Intervention, kinds: Int64s, owners: Int64s, seed: int) -> Arrangement:
    """Order the histories of an evaluation and choose the donors.

    Args:
        kind: the intervention.
        kinds: from :func:`kinds_of_histories`.
        owners: the user of each history, (targets,).
        seed: of the random order.
    """
    shuffled = np.random.default_rng(seed).permutation(len(kinds))
    if kind in ("zero", "noise"):
        return Arrangement(kind, shuffled, None)
    if kind == "shuffle":
        return Arrangement(kind, shuffled, _donors(np.zeros_like(kinds), owners[shuffled]))
    order = shuffled[np.argsort(kinds[shuffled], kind="stable")]
    return Arrangement(kind, order, _donors(kinds[order], owners[order]))


def _donors(kinds: Int64s, owners: Int64s) -> Int64s:
    """Return the position within its chunk of each history's donor, (targets,).

    After the last history of a kind, or of the chunk, the first one follows.

    Args:
        kinds: of the histories in their order, (targets,). Equal ones are next to each other.
        owners: their users, (targets,).
    """
    donors = np.empty(len(kinds), dtype=np.int64)
    for start in range(0, len(kinds), HISTORIES_PER_CHUNK):
        chunk = slice(start, start + HISTORIES_PER_CHUNK)
        kind, owner = kinds[chunk], owners[chunk]
        first, last = np.searchsorted(kind, kind, "left"), np.searchsorted(kind, kind, "right")
        for position in range(len(kind)):
            following = np.r_[position + 1 : last[position], first[position] : position]  # of its kind
            others = np.r_[following, position + 1 : len(kind), 0:position]
            others = others[owner[others] != owner[position]]
            donors[start + position] = others[0] if len(others) else position
    return donors


def rank_with(
    model: Model,
    view: EvaluationView,
    depth: int,
    arrangement: Arrangement,
    noise_seed: int,
    device: torch.device,
) -> Ranks:
    """Rank every target with the latents that the intervention gives.

    Args:
        model: a trained model that reasons.
        view: histories and targets.
        depth: number of reasoning steps.
        arrangement: the intervention, from :func:`arranged`.
        noise_seed: seed of the initial latent noise.
        device: where the model is.

    Returns:
        Ranks, whose arrays are (1, targets).

    Raises:
        NonFiniteScoresError: a score is NaN or infinite.
    """
    source = _source(noise_seed, device)

    def encoded(chunk: slice, sequences: Packed, noise: torch.Generator) -> Tensor:
        with replacing(model, arrangement.replacement(chunk, device, source)):
            return model.encode(sequences, (depth,), noise)

    return rank_in_order(model, view, arrangement.order, (depth,), noise_seed, device, encoded)


@torch.inference_mode()
def mean_divergence(
    model: Model,
    view: EvaluationView,
    depth: int,
    arrangement: Arrangement,
    noise_seed: int,
    device: torch.device,
) -> float:
    """Return the mean over targets of KL(p ‖ p with the intervention) in nats.

    p is the softmax of the scores of all items. Arguments are those of :func:`rank_with`.
    """
    model.eval()
    noise, source = torch.Generator(device), _source(noise_seed, device)
    total = 0.0
    batches = evaluation_batches(
        view.reordered(arrangement.order), model.max_length, HISTORIES_PER_CHUNK, device
    )
    for number, (chunk, sequences) in enumerate(batches):
        logs = []
        for replacement in (None, arrangement.replacement(chunk, device, source)):
            noise.manual_seed(noise_seed + number)  # the same noise with and without the intervention
            with replacing(model, replacement):
                (states,) = model.encode(sequences, (depth,), noise)
            logs.append(model.score(states).log_softmax(-1))
        own, other = logs
        divergence = (own.exp() * (own - other)).nansum(-1)  # (targets,); an item of probability 0 adds 0
        total += float(divergence.double().sum())
    return total / len(view)


def _source(noise_seed: int, device: torch.device) -> torch.Generator:
    """Return the source of the noise that replaces latents. It is the same in ranking and in divergence."""
    return torch.Generator(device).manual_seed(replacement_seed(noise_seed))
