"""ItemKNN: items whose users overlap with those of the history's items (Sarwar et al., WWW 2001).

The similarity of two items is the cosine of their sets of training users. A constant can be added to its
denominator. Each item keeps its nearest neighbours. An item's score is the sum of its similarities with the
distinct items of the history, as far as it is a neighbour of theirs.
"""

import numpy as np
import scipy.sparse
import torch
from pydantic import Field
from torch import Tensor

from lrbench.data.sequences import TrainingView
from lrbench.models.base import ModelConfig
from lrbench.models.classical.closed_form import ClosedForm, distinct_items, user_item_matrix

__all__ = ["ItemKNN", "ItemKNNConfig"]

_ROWS = 2048  # items whose similarities with all items are computed at once


class ItemKNNConfig(ModelConfig):
    """Neighbourhood."""

    source = "ItemKNN of RecBole 1.2.1"

    neighbours: int = Field(default=100, ge=1)
    """k, nearest items that each item keeps (RecBole: 100)."""

    shrink: float = Field(default=0.0, ge=0)
    """Constant added to the denominator of the cosine, against chance overlaps (RecBole: 0)."""


class ItemKNN(ClosedForm[ItemKNNConfig]):
    """Cosine neighbourhoods of items."""

    Config = ItemKNNConfig
    summary = "ItemKNN: cosine neighbourhoods of items by their users (Sarwar et al. 2001)."

    neighbours: Tensor
    similarities: Tensor

    def __init__(self, config: ItemKNNConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        kept = min(config.neighbours, n_items)
        self.register_buffer("neighbours", torch.zeros(n_items, kept, dtype=torch.int64))
        self.register_buffer("similarities", torch.zeros(n_items, kept))

    def fit(self, view: TrainingView) -> None:
        """Compute similarities for some items at a time, and keep the nearest neighbours of each."""
        users_of = user_item_matrix(view)
        norms = np.sqrt(np.asarray(users_of.sum(axis=0)).ravel())
        items_of = scipy.sparse.csr_array(users_of.T)
        for start in range(0, view.n_items, _ROWS):
            rows = slice(start, min(start + _ROWS, view.n_items))
            overlap = (items_of[rows] @ users_of).toarray()  # (rows, items)
            similar = overlap / (norms[rows, None] * norms + self.config.shrink + 1e-12)
            similar[np.arange(rows.stop - start), np.arange(start, rows.stop)] = 0  # not its own neighbour
            best = torch.from_numpy(similar).topk(self.neighbours.shape[1])
            self.neighbours[rows] = best.indices.to(self.neighbours.device)
            self.similarities[rows] = best.values.float().to(self.neighbours.device)

    def score(self, states: Tensor) -> Tensor:
        """Sums of similarities with the distinct items of the history, (rows, items)."""
        rows, items = distinct_items(states)
        scores = self.similarities.new_zeros(len(states), self.n_items)
        places = (rows[:, None] * self.n_items + self.neighbours[items]).flatten()
        scores.view(-1).index_add_(0, places, self.similarities[items].flatten())
        return scores
