"""First-order Markov chain: what followed the last item in the training part.

Scores are the logarithms of transition probabilities that are smoothed towards popularity. The probability of
b after a is ``(n_ab + s · p_b) / (n_a + s)``. Here n_ab counts how often b comes right after a, and n_a how
often any item does. p_b is b's share of the training interactions, with one more interaction added to each
item. After an item that nothing followed, popularity alone decides.
"""

from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from pydantic import Field
from torch import Tensor

from lrbench.data.sequences import TrainingView
from lrbench.models.base import ModelConfig
from lrbench.models.classical.closed_form import ClosedForm, training_interactions

__all__ = ["Markov", "MarkovConfig"]


class MarkovConfig(ModelConfig):
    """Smoothing of the transitions."""

    source = "lrbench's own choice"

    smoothing: float = Field(default=1.0, gt=0)
    """s, weight of popularity, as a number of transitions."""


class Markov(ClosedForm[MarkovConfig]):
    """Transition counts from the last item."""

    Config = MarkovConfig
    summary = "First-order Markov chain: what followed the last item, smoothed towards popularity."
    history: ClassVar = 1
    sized_by_data = frozenset({"followers", "counts"})

    popularity: Tensor
    offsets: Tensor
    followers: Tensor
    counts: Tensor

    def __init__(self, config: MarkovConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        self.register_buffer("popularity", torch.full((n_items,), 1 / n_items))
        self.register_buffer("offsets", torch.zeros(n_items + 1, dtype=torch.int64))
        self.register_buffer("followers", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(0))

    def fit(self, view: TrainingView) -> None:
        """Count which item follows which within users."""
        users, items = training_interactions(view)
        occurrences = np.bincount(items, minlength=view.n_items) + 1.0
        follows = users[1:] == users[:-1]
        pairs = (items[:-1][follows], items[1:][follows])
        shape = (view.n_items, view.n_items)
        matrix = scipy.sparse.csr_array((np.ones(len(pairs[0])), pairs), shape=shape)
        place = self.popularity.device
        self.popularity = torch.from_numpy(occurrences / occurrences.sum()).to(self.popularity)
        self.offsets = torch.from_numpy(matrix.indptr.astype(np.int64)).to(place)
        self.followers = torch.from_numpy(matrix.indices.astype(np.int64)).to(place)
        self.counts = torch.from_numpy(matrix.data).to(self.popularity)

    def score(self, states: Tensor) -> Tensor:
        """Log-probabilities of what comes next, (rows, items)."""
        last = states[:, 0].long()
        begins, ends = self.offsets[last], self.offsets[last + 1]
        lengths = ends - begins
        row = torch.repeat_interleave(lengths)
        first = lengths.cumsum(0) - lengths
        entry = torch.arange(len(row), device=row.device) + (begins - first)[row]
        counts = self.popularity.repeat(len(last), 1).mul_(self.config.smoothing)
        counts[row, self.followers[entry]] += self.counts[entry]
        totals = counts.new_zeros(len(last)).index_add_(0, row, self.counts[entry]) + self.config.smoothing
        return (counts / totals[:, None]).log()
