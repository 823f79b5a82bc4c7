"""A model whose scores are given, and histories that are written out."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.data.sequences import EvaluationView
from lrbench.models.base import Model, ModelConfig


class TableModel(Model):
    """Scores come from a table: the row is the last item of the history."""

    Config = ModelConfig
    summary = "a table"
    stages: ClassVar = {}
    default_stages = ()

    def __init__(self, table: Tensor, max_length: int = 20) -> None:
        super().__init__(ModelConfig(), table.shape[1], max_length)
        self.table = table

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        last = sequences.items[sequences.last]
        return self.table[last].expand(len(depths), -1, -1)

    def score(self, states: Tensor) -> Tensor:
        return states


def view_of(sequences: list[list[int]], n_items: int) -> EvaluationView:
    """The last item of each sequence is the target."""
    lengths = np.array([len(sequence) for sequence in sequences])
    stops = np.cumsum(lengths)
    flat = np.concatenate([np.asarray(sequence, dtype=np.int32) for sequence in sequences])
    return EvaluationView(
        flat, np.arange(len(sequences)), stops - lengths, stops - 1, flat[stops - 1], n_items
    )
