"""Recommend with stored trials, and tabulate what their lists have in common as means over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from rich.table import Table

from lrbench.errors import RequestError
from lrbench.evaluation.top_items import TopItems
from lrbench.execution.stored_trial import EvaluatedPart, StoredTrial, load_trial
from lrbench.stats.lists import coverage, mean_popularity, overlap

if TYPE_CHECKING:
    from lrbench.data.obtain import Library

__all__ = ["AskedLists", "Recommended", "lists_table", "recommend_with"]


@dataclass(frozen=True)
class AskedLists:
    """Which lists to make."""

    depths: tuple[int, ...]  # empty: the depth that is reported
    most: int  # length of each list
    part: EvaluatedPart


@dataclass(frozen=True)
class Recommended:
    """The lists of one trial."""

    seed: int
    frame: pl.DataFrame
    """Raw ids of user and target, depth, place in the list from 1, raw id of the item, and its score."""

    traits: Mapping[int, Mapping[str, float]]
    """Depth → what the lists have in common → value."""


def recommend_with(folder: Path, library: "Library", asked: AskedLists) -> Recommended:
    """Make lists with a trial's stored weights; its folder does not change.

    A model without reasoning steps recommends at depth 0.

    Raises:
        CheckError: the data or the weights are not those of the trial.
        LrbenchError: a file is missing or damaged.
        RequestError: the lists are longer than the catalogue.
    """
    stored = load_trial(folder, library)
    n_items = stored.dataset.sequences.n_items
    if asked.most > n_items:
        raise RequestError(
            f"--top {asked.most} is more than the {n_items:,} items of {stored.record.dataset.name}.",
            f"Give at most {n_items}.",
        )
    reported = stored.record.depth
    depths = (asked.depths or (reported,)) if reported else (0,)
    lists = {depth: stored.recommended(asked.part, depth, asked.most) for depth in depths}
    frames = [_frame(stored, asked.part, depth, top) for depth, top in lists.items()]
    return Recommended(stored.record.seed, pl.concat(frames), _traits(stored, asked.part, lists))


def _frame(stored: StoredTrial, part: EvaluatedPart, depth: int, top: TopItems) -> pl.DataFrame:
    view, (users, most) = stored.view(part), top.items.shape
    listed = (top.items >= 0).ravel()
    of_user = np.repeat(np.arange(users), most)[listed]
    return pl.DataFrame(
        {
            "user": stored.dataset.user_ids.gather(view.users[of_user]),
            "target": stored.dataset.item_ids.gather(view.targets[of_user]),
            "depth": pl.repeat(depth, len(of_user), dtype=pl.Int32, eager=True),
            "place": np.tile(np.arange(1, most + 1, dtype=np.int32), users)[listed],
            "item": stored.dataset.item_ids.gather(top.items.ravel()[listed]),
            "score": top.scores.ravel()[listed],
        }
    )


def _traits(
    stored: StoredTrial, part: EvaluatedPart, lists: Mapping[int, TopItems]
) -> dict[int, dict[str, float]]:
    train, targets = stored.split.train, stored.view(part).targets
    counts = np.bincount(train.items[train.interactions], minlength=train.n_items)
    found = {}
    for depth, top in lists.items():
        found[depth] = {
            "hit rate": float((top.items == targets[:, None]).any(axis=1).mean()),
            "coverage": coverage(top.items, train.n_items),
            "popularity": mean_popularity(top.items, counts),
        }
        if 0 in lists and len(lists) > 1:
            found[depth]["overlap"] = overlap(top.items, lists[0].items)
    return found


def lists_table(seeds: Sequence[Recommended]) -> Table:
    """Return a table with a line for each depth: means over seeds and their standard deviations."""
    names = next(iter(seeds[0].traits.values())).keys()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("depth", *names):
        table.add_column(heading, justify="right", overflow="fold")
    for depth in seeds[0].traits:
        table.add_row(
            str(depth), *(_cell(name, [seed.traits[depth][name] for seed in seeds]) for name in names)
        )
    return table


def _cell(name: str, values: Sequence[float]) -> str:
    digits = 1 if name == "popularity" else 4
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"
