"""Popularity: every user gets the items in order of how often they occur in the training part.

Any model must beat it. Its metrics show how much of a dataset popularity alone predicts.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.data.sequences import TrainingView
from lrbench.models.base import FitStage, Model, ModelConfig

__all__ = ["Popularity", "PopularityConfig"]


class PopularityConfig(ModelConfig):
    """Popularity has no options."""


class Counting(FitStage):
    """Count each item's interactions in the training part."""

    model: "Popularity"

    def fit(self, view: TrainingView) -> None:
        """Set the counts. Interactions held out for validation or test do not count."""
        counts = np.bincount(view.items[view.interactions], minlength=view.n_items)
        self.model.counts.copy_(torch.from_numpy(counts))


class Popularity(Model[PopularityConfig]):
    """Score an item by its number of training interactions, for all users alike."""

    Config = PopularityConfig
    summary = "Popularity: items by their number of training interactions."
    stages: ClassVar = {"counting": Counting}
    default_stages = ("counting",)
    deterministic = True

    counts: Tensor

    def __init__(self, config: PopularityConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        self.register_buffer("counts", torch.zeros(n_items))

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """One state of 1 for every user, (depths, sequences, 1)."""
        return self.counts.new_ones(len(depths), sequences.n_sequences, 1)

    def score(self, states: Tensor) -> Tensor:
        """The counts, the same for every row, (rows, items)."""
        return states * self.counts
