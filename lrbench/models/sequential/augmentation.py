"""Random changes to histories that keep what they say about a user: crop, mask, reorder (CL4SRec).

The two views of a history differ in which change was made. For a history of n items:

* cropping keeps a run of ⌊ηn⌋ items, at least one;
* masking hides ⌊γn⌋ items, each replaced by a mask token;
* reordering shuffles a run of ⌊βn⌋ items.

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
    mask: float  # γ, the share that is hidden
    reorder: float  # β, the share that is shuffled
    mask_item: int


def two_views(sequences: Packed, augmentation: Augmentation) -> tuple[Packed, Packed]:
    """Change every history in two of the three ways, drawn without replacement."""
    lengths = sequences.host.lengths
    ways = torch.rand(len(lengths), 3).argsort(1).numpy()
    ways[lengths == 1] = _NONE
    return _changed(sequences, lengths, ways[:, 0], augmentation), _changed(
        sequences, lengths, ways[:, 1], augmentation
    )


def _changed(
    sequences: Packed, lengths: NDArray[np.int64], way: NDArray[np.int64], augmentation: Augmentation
) -> Packed:
    share = np.array([augmentation.crop, augmentation.mask, augmentation.reorder, 1.0])[way]
    concerned = np.floor(share * lengths).astype(np.int64)
    concerned[way == _CROP] = concerned[way == _CROP].clip(1)
    run = (torch.rand(len(lengths)).numpy() * (lengths - concerned + 1)).astype(np.int64)

    host = sequences.host
    of, place, items, first = host.sequence_of, host.positions, host.items, host.first
    chance = torch.rand(len(items), dtype=torch.float64).numpy()

    # A sequence's tokens are neighbours, so sorting by these keys moves them only within it.
    within = (way[of] == _REORDER) & (place >= run[of]) & (place < (run + concerned)[of])
    places = np.where(within, run[of] + chance * concerned[of], place)
    items = items[np.lexsort((places, first[of]))]
    drawn = np.empty_like(place)  # rank of each token's chance in its sequence
    drawn[np.lexsort((chance, first[of]))] = place
    items[(way[of] == _MASK) & (drawn < concerned[of])] = augmentation.mask_item

    starts = first + np.where(way == _CROP, run, 0)
    stops = starts + np.where(way == _CROP, concerned, lengths)
    return pack(items, starts, stops, sequences.items.device)
