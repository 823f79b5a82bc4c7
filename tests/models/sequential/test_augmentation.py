"""Cropping, masking and reordering change histories as CL4SRec says."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from lrbench.data.packing import Packed, pack
from lrbench.models.sequential.augmentation import Augmentation, two_views

CPU = torch.device("cpu")
HIDDEN = 10**6
AUGMENTATION = Augmentation(crop=0.6, mask=0.3, reorder=0.6, mask_item=HIDDEN)


def packed(lengths: list[int]) -> tuple[Packed, list[list[int]]]:
    """Return histories in which no item occurs twice, packed and as lists."""
    stops = np.cumsum(lengths)
    items = np.arange(stops[-1])
    histories = [list(range(stop - length, stop)) for stop, length in zip(stops, lengths, strict=True)]
    return pack(items, stops - lengths, stops, CPU), histories


def unpacked(sequences: Packed) -> list[list[int]]:
    ranges = zip(sequences.first.tolist(), sequences.last.tolist(), strict=True)
    return [sequences.items[first : last + 1].tolist() for first, last in ranges]


def way_of(changed: list[int], history: list[int]) -> str:
    """Return which change was made. Fails if it is none of the three."""
    if changed == history:
        return "none"
    if HIDDEN in changed:
        pairs = list(zip(changed, history, strict=True))
        assert all(new in (HIDDEN, old) for new, old in pairs)
        assert sum(new == HIDDEN for new, _ in pairs) == int(0.3 * len(history))
        return "mask"
    if len(changed) < len(history):
        assert len(changed) == max(1, int(0.6 * len(history)))
        start = history.index(changed[0])
        assert changed == history[start : start + len(changed)]
        return "crop"
    assert sorted(changed) == history
    moved = [place for place, (new, old) in enumerate(zip(changed, history, strict=True)) if new != old]
    assert moved[-1] - moved[0] < int(0.6 * len(history))
    return "reorder"


@given(st.lists(st.integers(1, 12), min_size=1, max_size=20), st.integers(0, 2**31))
def test_each_view_is_one_change_and_the_two_differ(lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    sequences, histories = packed(lengths)
    first, second = (unpacked(view) for view in two_views(sequences, AUGMENTATION))
    for one, other, history in zip(first, second, histories, strict=True):
        ways = {way_of(one, history), way_of(other, history)}
        if len(history) == 1:
            assert ways == {"none"}
        assert len(ways) == 2 or ways == {"none"}


def test_changes_are_drawn_uniformly() -> None:
    torch.manual_seed(3)
    sequences, histories = packed([10] * 6000)
    first, _ = two_views(sequences, AUGMENTATION)
    views = unpacked(first)
    ways = [way_of(view, history) for view, history in zip(views, histories, strict=True)]
    for way in ("crop", "mask", "reorder"):
        assert abs(ways.count(way) - 2000) < 200  # five standard deviations are 183

    def chosen(way: str) -> list[tuple[list[int], list[int]]]:
        pairs = zip(views, histories, ways, strict=True)
        return [(view, history) for view, history, made in pairs if made == way]

    starts = np.bincount([view[0] - history[0] for view, history in chosen("crop")])
    assert len(starts) == 5
    assert (abs(starts - len(chosen("crop")) / 5) < 100).all()
    hidden = sum(np.array(view) == HIDDEN for view, _ in chosen("mask"))
    assert (abs(hidden - 0.3 * len(chosen("mask"))) < 110).all()
    moved = sum(np.array(view) != np.array(history) for view, history in chosen("reorder"))
    assert (np.diff(moved[:5]) > 0).all()  # runs of six in ten begin at 0 to 4
    assert abs(moved[4:6] - 5 / 6 * len(chosen("reorder"))).max() < 100


def test_the_same_seed_draws_the_same() -> None:
    sequences, _ = packed([7, 1, 4, 9])

    def draw() -> list[list[int]]:
        torch.manual_seed(1)
        return [items for view in two_views(sequences, AUGMENTATION) for items in unpacked(view)]

    assert draw() == draw()
