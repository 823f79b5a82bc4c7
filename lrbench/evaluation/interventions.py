"""Rank with the same weights and histories but another latent, and measure how much the scores change.

A donor is another user of the same chunk, whose latent a user gets. The order of users decides the donors:

* ``shuffle``: Users are in random order. Each gets the latent of the next one. If the last chunk has one
  user, that user keeps its own.
* ``matched``: Users of one kind are next to each other. A kind is a combination of bins of history length,
  target popularity and own rank. Each user gets the latent of the next user of its kind. A user that is alone
  of its kind in a chunk gets that of the next user.

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
from lrbench.evaluation.chunks import USERS_PER_CHUNK
from lrbench.evaluation.latents import replacing
from lrbench.evaluation.ranking import Ranks, rank_in_order
from lrbench.models.base import Model
from lrbench.models.reasoning import Replacement

__all__ = ["Arrangement", "arranged", "kinds_of_users", "mean_divergence", "rank_with"]


@dataclass(frozen=True)
class Arrangement:
    """An intervention on the users of an evaluation: their order, and whose latent each gets."""

    kind: Intervention
    order: Int64s  # (users,) user at each position
    donors: Int64s | None  # (users,) position, within the chunk, of the donor of the user at each position

    def replacement(self, users: slice, device: torch.device) -> Replacement:
        """Return what the reasoning steps get instead of their own latents, for users at these positions."""
        if self.donors is None:
            return Replacement("zero" if self.kind == "zero" else "noise")
        return Replacement("other", on_device(self.donors[users], device))


def kinds_of_users(view: EvaluationView, train: TrainingView, ranks: Floats) -> Int64s:
    """Return the kind of each user as a number, (users,).

    A kind is a combination of three bins. History length and own rank are binned by powers of two, and the
    target's number of training interactions by quartiles.

    Args:
        view: histories and targets.
        train: the training part.
        ranks: of each user without an intervention, (users,).
    """
    counts = np.bincount(train.items[train.interactions], minlength=train.n_items)[view.targets]
    quartile = np.searchsorted(np.quantile(counts, [0.25, 0.5, 0.75]), counts, side="left")
    length = np.log2(view.stops - view.starts).astype(np.int64)
    rank = np.log2(ranks).astype(np.int64)
    _, kinds = np.unique(np.stack((length, quartile, rank)), axis=1, return_inverse=True)
    return np.asarray(kinds, dtype=np.int64)


def arranged(kind: Intervention, kinds: Int64s, seed: int) -> Arrangement:
    """Order the users of an evaluation and choose the donors.

    Args:
        kind: the intervention.
        kinds: from :func:`kinds_of_users`.
        seed: of the random order.
    """
    shuffled = np.random.default_rng(seed).permutation(len(kinds))
    if kind in ("zero", "noise"):
        return Arrangement(kind, shuffled, None)
    if kind == "shuffle":
        return Arrangement(kind, shuffled, _next_alike(np.zeros(len(kinds), dtype=np.int64)))
    order = shuffled[np.argsort(kinds[shuffled], kind="stable")]
    return Arrangement(kind, order, _next_alike(kinds[order]))


def _next_alike(kinds: Int64s) -> Int64s:
    """Return the position within the chunk of the next user of the same kind, (users,).

    The last user of a kind gets the first one. A user alone of its kind gets the next user.

    Args:
        kinds: of the users in their order, (users,). Equal ones are next to each other within a chunk.
    """
    donors = np.empty(len(kinds), dtype=np.int64)
    for start in range(0, len(kinds), USERS_PER_CHUNK):
        chunk = kinds[start : start + USERS_PER_CHUNK]
        places = np.arange(len(chunk))
        begins = np.flatnonzero(np.r_[True, chunk[1:] != chunk[:-1]])
        sizes = np.diff(np.r_[begins, len(chunk)])
        first, size = np.repeat(begins, sizes), np.repeat(sizes, sizes)
        alike = first + (places - first + 1) % size
        donors[start : start + len(chunk)] = np.where(size > 1, alike, (places + 1) % len(chunk))
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
        Ranks, whose arrays are (1, users).

    Raises:
        NonFiniteScoresError: a score is NaN or infinite.
    """

    def encoded(users: slice, sequences: Packed, noise: torch.Generator) -> Tensor:
        with replacing(model, arrangement.replacement(users, device)):
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
    """Return the mean over users of KL(p ‖ p with the intervention) in nats.

    p is the softmax of the scores of all items. Arguments are those of :func:`rank_with`.
    """
    model.eval()
    noise = torch.Generator(device)
    total = 0.0
    batches = evaluation_batches(view.reordered(arrangement.order), model.max_length, USERS_PER_CHUNK, device)
    for number, (users, sequences) in enumerate(batches):
        logs = []
        for replacement in (None, arrangement.replacement(users, device)):
            noise.manual_seed(noise_seed + number)  # the same noise with and without the intervention
            with replacing(model, replacement):
                (states,) = model.encode(sequences, (depth,), noise)
            logs.append(model.score(states).log_softmax(-1))
        own, other = logs
        divergence = (own.exp() * (own - other)).nansum(-1)  # (users,); an item of probability 0 adds 0
        total += float(divergence.double().sum())
    return total / len(view)
