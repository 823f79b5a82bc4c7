"""The evaluation of a trained model: validation and test ranks at every declared depth and draw."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch

from lrbench.config.trial import EvaluationConfig
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import EvaluationView, Split
from lrbench.evaluation.interventions import arranged, kinds_of_histories, mean_divergence, rank_with
from lrbench.evaluation.latents import steps_taking
from lrbench.evaluation.ranking import Ranks, rank_targets
from lrbench.models.base import Model
from lrbench.seeds import noise_seed
from lrbench.store.trials import RANKS, UNCHANGED
from lrbench.team import ALONE, Team

__all__ = ["rank_everything", "rank_interventions"]


def rank_everything(
    model: Model,
    dataset: PreparedDataset,
    split: Split,
    evaluation: EvaluationConfig,
    seed: int,
    device: torch.device,
    team: Team = ALONE,
) -> tuple[pl.DataFrame, dict[int, float]]:
    """Rank validation and test targets.

    Args:
        model: a trained model.
        dataset: gives the ids of users and items.
        split: histories and targets of that dataset.
        evaluation: depths, draws, and the latents from which reasoning steps start.
        seed: the trial's seed. Seeds of the initial noise are derived from it.
        device: where the model is.
        team: the processes that rank together. All get all ranks.

    Returns:
        Rows with the columns ``lrbench.store.trials.RANKS``, and for each depth the share of test targets
        that are tied with another item.

    Raises:
        NonFiniteScoresError: a score is NaN or infinite.
    """
    depths, frames, tied = evaluation.depths, [], np.zeros(len(evaluation.depths))
    with steps_taking(evaluation.latents, model):
        for name, view in (("valid", split.valid), ("test", split.test)):
            for draw in range(evaluation.draws):
                ranks = rank_targets(model, view, depths, noise_seed(seed, name, draw), device, team)
                frames.append(_frame(ranks, name, draw, depths, dataset, view))
                if name == "test":
                    tied += (ranks.ties > 0).mean(axis=1) / evaluation.draws
    return pl.concat(frames), dict(zip(depths, tied.tolist(), strict=True))


def rank_interventions(
    model: Model,
    dataset: PreparedDataset,
    split: Split,
    evaluation: EvaluationConfig,
    seed: int,
    device: torch.device,
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Rank test targets with each intervention, at the model's configured depth.

    Arguments are those of :func:`rank_everything`.

    Returns:
        Rows with the columns ``lrbench.store.trials.RANKS``, and for each intervention the mean over
        targets of KL(p ‖ p with the intervention) in nats. Both are empty if there are no interventions.

    Raises:
        NonFiniteScoresError: a score is NaN or infinite.
    """
    if not evaluation.interventions:
        return pl.DataFrame(schema=RANKS), {}
    view, depth = split.test, model.configured_depth(model.config)
    first_seed = noise_seed(seed, "test", 0)
    own = rank_targets(model, view, (depth,), first_seed, device).rank[0]
    kinds = kinds_of_histories(view, split.train, own)
    frames = [pl.DataFrame(schema=RANKS)]
    divergence: dict[str, float] = {}
    for kind in evaluation.interventions:
        arrangement = arranged(kind, kinds, view.owners, first_seed)
        divergence[kind] = mean_divergence(model, view, depth, arrangement, first_seed, device)
        for draw in range(evaluation.draws):
            draw_seed = noise_seed(seed, "test", draw)
            ranks = rank_with(model, view, depth, arrangement, draw_seed, device)
            frames.append(_frame(ranks, "test", draw, (depth,), dataset, view, kind))
    return pl.concat(frames), divergence


def _frame(
    ranks: Ranks,
    split: str,
    draw: int,
    depths: Sequence[int],
    dataset: PreparedDataset,
    view: EvaluationView,
    intervention: str = UNCHANGED,
) -> pl.DataFrame:
    """Return the rows of one draw, one for every target and depth."""
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
                "intervention": pl.repeat(intervention, len(view), eager=True),
            },
            schema=RANKS,
        )
        for index, depth in enumerate(depths)
    )
