"""What models without gradients share: counts of the training part, and states that are histories.

The state of a user is the history itself: item numbers, newest first, padded with −1. Scoring turns a chunk
of states into scores of all items, so there is never a matrix of all users and items.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.data.sequences import TrainingView
from lrbench.models.base import ConfigT, FitStage, Model

__all__ = ["ClosedForm", "Fitting", "distinct_items", "training_interactions", "user_item_matrix"]


class Fitting(FitStage):
    """Compute the model from the training part in one call."""

    model: "ClosedForm"

    def fit(self, view: TrainingView) -> None:
        """Set the model's buffers."""
        self.model.fit(view)


class ClosedForm(Model[ConfigT]):
    """A deterministic model that is computed, not trained."""

    stages: ClassVar = {"fitting": Fitting}
    default_stages = ("fitting",)
    deterministic = True

    history: ClassVar[int | None] = None
    """How many of the newest items a score depends on; ``None``: all of them."""

    @abstractmethod
    def fit(self, view: TrainingView) -> None:
        """Set the buffers from the training part."""

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Items of each history, newest first, padded with −1, (depths, sequences, length)."""
        width = self.history or self.max_length  # the same for all depths and batches
        back = torch.arange(width, device=sequences.last.device)
        items = sequences.items[(sequences.last[:, None] - back).clamp(min=0)]
        items = torch.where(back < sequences.lengths[:, None], items, -1)
        # States are numbers that float32 holds exactly.
        return items.float().expand(len(depths), -1, -1)


def training_interactions(view: TrainingView) -> tuple[np.ndarray, np.ndarray]:
    """User and item of every training interaction, (interactions,) each, in each user's order of time."""
    counts = view.stops - view.starts
    return np.repeat(np.arange(len(counts)), counts), view.items[view.interactions]


def user_item_matrix(view: TrainingView) -> scipy.sparse.csr_array:
    """1 where a user has an item in the training part, however often, (users, items), sparse."""
    users, items = training_interactions(view)
    ones = np.ones(len(users), dtype=np.float64)
    matrix = scipy.sparse.csr_array((ones, (users, items)), shape=(len(view.starts), view.n_items))
    matrix.data[:] = 1  # repeats were added up
    return matrix


def distinct_items(states: Tensor) -> tuple[Tensor, Tensor]:
    """Row and item of each distinct item of the histories, (entries,) each, ordered by row.

    Args:
        states: item numbers padded with −1, (rows, length).
    """
    ordered = states.long().sort(1).values
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    kept = new & (ordered >= 0)
    rows = torch.arange(len(states), device=states.device)[:, None].expand_as(ordered)
    return rows[kept], ordered[kept]
