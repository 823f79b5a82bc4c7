"""The one evaluation of a trained model: validation and test ranks at every declared depth and draw."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch

from lrbench.config.protocol import Protocol
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import EvaluationView, Split
from lrbench.evaluation.ranking import Ranks, rank_targets
from lrbench.metrics import metric_function
from lrbench.models.base import Model
from lrbench.seeds import noise_seed
from lrbench.store.trials import RANKS

__all__ = ["evaluate", "mean_metrics"]


def evaluate(
    model: Model,
    dataset: PreparedDataset,
    split: Split,
    depths: Sequence[int],
    draws: int,
    seed: int,
    device: torch.device,
) -> tuple[pl.DataFrame, dict[int, float]]:
    """Rank validation and test targets.

    Returns:
        Rows as ``lrbench.store.trials.RANKS``, and the share of tied test targets of each depth.
    """
    frames, tied = [], np.zeros(len(depths))
    for name, view in (("valid", split.valid), ("test", split.test)):
        for draw in range(draws):
            ranks = rank_targets(model, view, depths, noise_seed(seed, name, draw), device)
            frames.append(_frame(ranks, name, draw, depths, dataset, view))
            if name == "test":
                tied += (ranks.ties > 0).mean(axis=1) / draws
    return pl.concat(frames), dict(zip(depths, tied.tolist(), strict=True))


def _frame(
    ranks: Ranks,
    split: str,
    draw: int,
    depths: Sequence[int],
    dataset: PreparedDataset,
    view: EvaluationView,
) -> pl.DataFrame:
    users = dataset.user_ids.gather(view.users)
    targets = dataset.item_ids.gather(view.targets)
    return pl.concat(
        pl.DataFrame(
            {
                "split": pl.repeat(split, len(view), eager=True),
                "user": users,
                "target": targets,
                "depth": pl.repeat(depth, len(view), dtype=pl.Int32, eager=True),
                "draw": pl.repeat(draw, len(view), dtype=pl.Int32, eager=True),
                "rank": ranks.rank[index],
                "rank_masked": ranks.rank_masked[index],
                "ties": ranks.ties[index],
                "ties_masked": ranks.ties_masked[index],
            },
            schema=RANKS,
        )
        for index, depth in enumerate(depths)
    )


def mean_metrics(ranks: pl.DataFrame, protocol: Protocol) -> dict[str, dict[str, dict[str, float]]]:
    """Means over users (and draws) of the headline ranks: split → depth → metric → value."""
    suffix = "_masked" if protocol.mask_seen else ""
    means: dict[str, dict[str, dict[str, float]]] = {}
    for (split, depth), rows in ranks.group_by("split", "depth", maintain_order=True):
        values, ties = rows[f"rank{suffix}"].to_numpy(), rows[f"ties{suffix}"].to_numpy()
        means.setdefault(str(split), {})[str(depth)] = {
            metric: float(metric_function(metric)(values, ties).mean())
            for metric in (*protocol.metrics, "mrr")
        }
    return means
