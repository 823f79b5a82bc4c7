"""Random changes to histories that keep what they say about a user: crop, mask, reorder (CL4SRec).

Each view of a history has one of the changes, and the two views have different ones. For a history of n
items:

* Cropping keeps a run of ⌊ηn⌋ items, at least one.
* Masking replaces ⌊γn⌋ items by a mask token.
* Reordering shuffles a run of ⌊βn⌋ items.

All draws are uniform. A history of one item is not changed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lrbench.data.packing import Packed, pack

__all__ = ["Augmentation", "two_views"]

_CROP, _MASK, _REORDER, _NONE = range(4)


@dataclass(frozen=True)
class Augmentation:
    """The share of a history that each change affects, and the mask token."""

    crop: float  # η, the share that stays
    mask: float  # γ, the share that is masked
    reorder: float  # β, the share that is shuffled
    mask_item: int  # number of the mask token


def two_views(sequences: Packed, augmentation: Augmentation) -> tuple[Packed, Packed]:
    """Draw two of the three changes for every history, and return a view with each."""
    lengths = sequences.host.lengths
    ways = torch.rand(len(lengths), 3).argsort(1).numpy()
    ways[lengths == 1] = _NONE
    return _changed(sequences, lengths, ways[:, 0], augmentation), _changed(
        sequences, lengths, ways[:, 1], augmentation
    )


def _changed(
    sequences: Packed, lengths: NDArray[np.int64], way: NDArray[np.int64], augmentation: Augmentation
) -> Packed:
    """Return one view.

    Args:
        sequences: the histories.
        lengths: of them, (sequences,).
        way: which change each gets, (sequences,).
        augmentation: shares and mask token.
    """
    share = np.array([augmentation.crop, augmentation.mask, augmentation.reorder, 1.0])[way]
    affected = np.floor(share * lengths).astype(np.int64)  # (sequences,) items that stay, or that change
    affected[way == _CROP] = affected[way == _CROP].clip(1)
    run = (torch.rand(len(lengths)).numpy() * (lengths - affected + 1)).astype(np.int64)  # its first position

    host = sequences.host
    of, position, items, first = host.sequence_of, host.positions, host.items, host.first
    chance = torch.rand(len(items), dtype=torch.float64).numpy()  # (tokens,)

    # The tokens of a sequence are neighbours, so sorting by these keys moves a token only within its
    # sequence.
    within = (way[of] == _REORDER) & (position >= run[of]) & (position < (run + affected)[of])
    new_position = np.where(within, run[of] + chance * affected[of], position)
    items = items[np.lexsort((new_position, first[of]))]
    drawn = np.empty_like(position)  # rank of each token's chance in its sequence
    drawn[np.lexsort((chance, first[of]))] = position
    items[(way[of] == _MASK) & (drawn < affected[of])] = augmentation.mask_item

    starts = first + np.where(way == _CROP, run, 0)
    stops = starts + np.where(way == _CROP, affected, lengths)
    return pack(items, starts, stops, sequences.items.device)
