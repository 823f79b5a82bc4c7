"""The work of every process of a trial: build the model, train it, and rank all targets once."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import torch

from lrbench.config.trial import TrialConfig
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import Split
from lrbench.errors import LrbenchError
from lrbench.evaluation.rank_everything import rank_everything
from lrbench.execution.order import TrialOrder
from lrbench.execution.reuse_stages import reuse_stages
from lrbench.models.base import Model
from lrbench.registry import MODELS, model_origin
from lrbench.seeds import seed_torch
from lrbench.store.layout import CHECKPOINT_FILE
from lrbench.team import Team
from lrbench.training.checkpoint import Checkpoint
from lrbench.training.news import EpochDone
from lrbench.training.trainer import TrainedStages, train

__all__ = ["RankedModel", "build_model", "train_and_rank"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RankedModel:
    """A trained model and the ranks of all targets."""

    model: Model
    stages: TrainedStages
    ranks: pl.DataFrame
    """Rows as :data:`lrbench.store.trials.RANKS`."""

    tied: dict[int, float]
    """Depth → share of test targets with a tie."""

    rank_seconds: float


def build_model(config: TrialConfig, dataset: PreparedDataset, device: torch.device) -> Model:
    """Return the trial's model for its dataset, initialised from its seed.

    Raises:
        LrbenchError: the model's plug-in file or package is another one than when the trial was planned.
    """
    kind = MODELS.load(config.model)
    if (origin := model_origin(config.model)) != config.plugin:
        raise LrbenchError(
            f'The model "{config.model}" of this trial comes from {_named(config.plugin)}. '
            f"Here it comes from {_named(origin)}.",
            "Restore what the trial had, or run the suite again for trials of the model as it is now.",
        )
    seed_torch(config.seed)
    options = kind.Config.model_validate(config.params)
    return kind.on_catalogue(options, dataset.names, config.protocol.max_length).to(device)


def _named(origin: str | None) -> str:
    """Name where a model comes from, as :func:`lrbench.registry.model_origin` gives it."""
    if origin is None:
        return "lrbench"
    return f"the package {origin}" if " " in origin else f"a plug-in file with the hash {origin}"


def train_and_rank(
    order: TrialOrder,
    dataset: PreparedDataset,
    parts: Split,
    saved: Checkpoint | None,
    watch: Callable[[EpochDone], None],
    team: Team,
) -> RankedModel:
    """Train from a checkpoint, from reused stages or from the start, and rank all targets.

    If another trial has meanwhile finished the stage of the checkpoint, its weights are reused. The
    checkpoint then stays unread until the next one replaces it, or the trial is complete.

    Every process of the team calls this function, and all get the same result.

    Args:
        order: a trial.
        dataset: its data.
        parts: the dataset's split.
        saved: the trial's checkpoint; ``None``: there is none.
        watch: called after every epoch, once its checkpoint is written.
        team: the processes that share the trial.

    Raises:
        UnusableCheckpointError: the checkpoint is of another model or version.
        LrbenchError: a loss or a score became NaN or infinite.
    """
    config, device = order.config, torch.device(order.device)
    threads = order.threads if saved is None else saved.threads  # another number could change the last bits
    torch.set_num_threads(threads)
    log.info("trial %s on %s with %d threads", config.id, device, threads)
    model = build_model(config, dataset, device)
    begun: Checkpoint | TrainedStages | None = saved
    done = 0 if saved is None else saved.stage
    if order.since is None and (reused := reuse_stages(order.results, config, model, done)):
        torch.set_num_threads(reused.threads)
        begun = reused.stages
    file = order.results.running(config.id) / CHECKPOINT_FILE
    stages = train(model, config, parts, device, file, watch, begun, team)
    before = time.perf_counter()
    ranks, tied = rank_everything(model, dataset, parts, config.evaluation, config.seed, device, team)
    return RankedModel(model, stages, ranks, tied, time.perf_counter() - before)
