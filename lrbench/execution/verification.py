"""Ranks of stored weights, compared with the stored ranks."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from lrbench.execution.stored_trial import StoredTrial
from lrbench.store.layout import RANKS_FILE
from lrbench.store.trials import read_ranks

__all__ = ["Comparison", "rank_again"]

_KEYS = ("split", "user", "target", "depth", "draw")


@dataclass(frozen=True)
class Comparison:
    """How far the ranks of the stored weights are from the stored ranks."""

    ranks: int
    """Ranks that were compared."""

    differing: int
    sentence: str
    """What differs, for a person; empty if nothing does."""


def rank_again(stored: StoredTrial) -> Comparison:
    """Rank with the stored weights, as the trial did, and compare.

    Raises:
        LrbenchError: the stored ranks cannot be read.
    """
    kept = read_ranks(stored.folder).collect()
    ranks = stored.ranked(stored.record.config.evaluation)
    if not kept.select(_KEYS).equals(ranks.select(_KEYS)):
        return Comparison(ranks.height, ranks.height, _other_rows(kept, ranks, stored))
    known = [name for name in kept.columns if name in ranks.columns and not kept[name].null_count()]
    differing = ~kept.select(known).hash_rows().eq(ranks.select(known).hash_rows())
    count = int(differing.sum())
    if not count:
        return Comparison(ranks.height, 0, "")
    distances = [(kept[name] - ranks[name]).abs().max() for name in ("rank", "rank_masked")]
    furthest = max(float(distance) for distance in distances if isinstance(distance, float))
    sentence = f"{count:,} of {ranks.height:,} ranks differ from those stored, the furthest by {furthest:,g}."
    return Comparison(ranks.height, count, sentence)


def _other_rows(kept: pl.DataFrame, ranks: pl.DataFrame, stored: StoredTrial) -> str:
    """Say how the rows of the file differ from those that the trial writes."""
    file = stored.folder / RANKS_FILE
    if kept.height != ranks.height:
        return f"{file} has {kept.height:,} ranks, and {ranks.height:,} were expected."
    same = np.ones(kept.height, dtype=bool)
    for name in _KEYS:
        same &= kept[name].eq_missing(ranks[name]).to_numpy()
    return f"{int((~same).sum()):,} of {kept.height:,} rows of {file} are of other users, items or depths."
