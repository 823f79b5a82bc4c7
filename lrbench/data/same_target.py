"""Other training rows with the same target, as views for losses that align histories of one item."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lrbench.data.batches import TrainingBatch

__all__ = ["AlignedRows", "SameTarget", "aligned_targets"]

AlignedRows = Literal["target", "sequence"]


class SameTarget:
    """Draws, for training targets, other targets with the same item.

    Args:
        target_items: item of each training target, (targets,).
    """

    def __init__(self, target_items: NDArray[np.int32]) -> None:
        counts = np.bincount(target_items)
        first = np.cumsum(counts) - counts  # (items,) where the item's targets begin in `_ordered`
        self._ordered = np.argsort(target_items, kind="stable")  # target ids, item by item
        self._first = first[target_items]  # (targets,)
        self._count = counts[target_items]  # (targets,)
        self._place = np.empty_like(self._ordered)  # (targets,) among those with the same item
        self._place[self._ordered] = np.arange(len(target_items)) - self._first[self._ordered]

    def draw(self, target_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Draw another target with the same item, uniformly. A target that is the only one draws itself."""
        others = self._count[target_ids] - 1
        uniform = torch.rand(len(target_ids), dtype=torch.float64).numpy()
        drawn = (uniform * others).astype(np.int64)
        drawn += (drawn >= self._place[target_ids]) & (others > 0)
        return np.asarray(self._ordered[self._first[target_ids] + drawn])


def aligned_targets(batch: TrainingBatch, rows: AlignedRows) -> NDArray[np.int64]:
    """Return which targets of a batch take part in an alignment loss, (aligned,); computed on the host.

    Args:
        batch: the batch.
        rows: every target, or one of each sequence, drawn uniformly.
    """
    if rows == "target":
        return np.arange(len(batch.target_ids))
    shuffled = torch.randperm(len(batch.target_ids)).numpy()
    first = np.unique(batch.sequence_of[shuffled], return_index=True)[1]  # of each sequence after shuffling
    return np.asarray(shuffled[first])
