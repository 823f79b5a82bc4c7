"""One trial from its configuration to a complete folder."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import torch

from lrbench.config.protocol import Protocol
from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.data.sequences import Split
from lrbench.data.splitting import split_to_train
from lrbench.evaluation.cost import count_parameters, flops_per_user, latency, peak_memory, reset_peak_memory
from lrbench.evaluation.rank_everything import rank_interventions
from lrbench.execution.order import TrialOrder
from lrbench.execution.train_and_rank import RankedModel, train_and_rank
from lrbench.execution.under_way import folder_under_way
from lrbench.execution.weights import save_weights
from lrbench.execution.workers.team import assembled
from lrbench.files import set_aside
from lrbench.models.base import Model
from lrbench.seeds import make_deterministic
from lrbench.store.layout import CHECKPOINT_FILE, LOG_FILE
from lrbench.store.mean_metrics import mean_metrics, title_metrics
from lrbench.store.trials import TrialRecord, write_trial
from lrbench.training.checkpoint import Checkpoint, UnusableCheckpointError, load_checkpoint
from lrbench.training.news import EpochDone
from lrbench.training.trainer import TrainedStages
from lrbench.versions import versions

__all__ = ["run_trial"]

log = logging.getLogger(__name__)


def run_trial(
    order: TrialOrder, watch: Callable[[EpochDone], None], note: Callable[[str], None] = log.warning
) -> TrialRecord:
    """Train, select, evaluate once, and write the trial's folder. Go on from a checkpoint if there is one.

    On one machine and device, with one number of threads, the same order gives identical results.
    Only checkpoints and the log are on disk until the folder is complete.

    Args:
        order: the trial, its data, and where it runs.
        watch: called after every epoch, once its checkpoint is written.
        note: called with a sentence that the user should read.

    Raises:
        LrbenchError: a loss or a score became NaN or infinite, or the model's plug-in file has changed.
        HelperDiedError: a process that shares the trial has died.
    """
    config, started = order.config, datetime.now(UTC)
    code = versions()  # before training: a git checkout may change while a trial runs
    running = folder_under_way(order)
    make_deterministic()
    device = torch.device(order.device)
    reset_peak_memory(device)
    with _log_file(running / LOG_FILE):
        dataset = load_prepared(order.dataset_folder)
        parts = split_to_train(dataset.sequences, config.protocol, dataset.record.name)
        trained = _train_and_rank(order, dataset, parts, watch, note)
        before = time.perf_counter()
        changed, divergence = rank_interventions(
            trained.model, dataset, parts, config.evaluation, config.seed, device
        )
        seconds = trained.rank_seconds + time.perf_counter() - before
        ranked = _Ranked(dataset, parts, trained.ranks, trained.tied, divergence, seconds)
        record = _record(order, trained, ranked, code, started)
        log.info("done: %s", record.metrics["test"][str(record.depth)])
    rows, history, model = pl.concat((trained.ranks, changed)), _history(trained.stages), trained.model
    return write_trial(order.results, record, rows, history, lambda path: save_weights(model, path))


@dataclass(frozen=True)
class _Ranked:
    dataset: PreparedDataset
    parts: Split
    ranks: pl.DataFrame
    tied: dict[int, float]  # depth → share of test targets with a tie
    divergence: dict[str, float]  # intervention → mean KL of the scores, in nats
    seconds: float


def _record(
    order: TrialOrder, trained: RankedModel, ranked: _Ranked, code: dict[str, str], started: datetime
) -> TrialRecord:
    """Make the content of ``trial.json``, and measure what inference costs."""
    config, device, model, training = order.config, torch.device(order.device), trained.model, trained.stages
    depth, undated = model.configured_depth(model.config), ranked.parts.test.undated()
    return TrialRecord(
        id=config.id,
        dataset=ranked.dataset.record.summary,
        protocol=config.protocol,
        model=config.model,
        params=config.params,
        deterministic=model.deterministic,
        config=config,
        stages=training.stages,
        seed=config.seed,
        depth=depth,
        draws=config.evaluation.draws,
        metrics=mean_metrics(ranked.ranks, config.protocol),
        tie_share=ranked.tied[depth],
        title_metrics=_title_metrics(model, ranked, config.protocol, depth),
        repeating_targets=float(ranked.parts.test.repeating().mean()),
        undated_targets=None if undated is None else float(undated.mean()),
        divergence=ranked.divergence,
        parameters=count_parameters(model),
        flops_per_user=flops_per_user(model, ranked.parts.test, depth, device),
        flops_by_depth={
            each: flops_per_user(model, ranked.parts.test, each, device) for each in config.evaluation.depths
        },
        latency_by_depth={
            each: {
                size: latency(model, ranked.parts.test, each, device, size) for size in model.latency_batches
            }
            for each in config.evaluation.depths
        },
        train_seconds=sum(stage.seconds for stage in training.stages),
        evaluate_seconds=ranked.seconds,
        peak_memory_bytes=max(peak_memory(device), training.reused_bytes),
        device=_device_name(device),
        threads=torch.get_num_threads(),
        processes=order.processes,
        versions=code,
        started=started,
        ended=datetime.now(UTC),
        resumed=training.resumed,
    )


def _title_metrics(model: Model, ranked: _Ranked, protocol: Protocol, depth: int) -> dict[str, float]:
    if not model.reads_titles:
        return {}
    data = ranked.dataset
    return title_metrics(ranked.ranks, data.item_ids, data.titles, protocol, depth)


def _train_and_rank(
    order: TrialOrder,
    dataset: PreparedDataset,
    parts: Split,
    watch: Callable[[EpochDone], None],
    note: Callable[[str], None],
) -> RankedModel:
    """Train from a usable checkpoint, from reused stages or from the start, and rank all targets."""
    checkpoint_file = order.results.running(order.config.id) / CHECKPOINT_FILE

    def begin(saved: Checkpoint | None) -> RankedModel:
        with assembled(order, saved is not None) as team:
            return train_and_rank(order, dataset, parts, saved, watch, team)

    try:
        saved = load_checkpoint(checkpoint_file, order.config.id)
        if saved is not None:
            return begin(saved)
    except UnusableCheckpointError as error:
        aside = set_aside(checkpoint_file)
        note(f"{error.cause} It is kept as {aside.name}. The trial starts again.")
    return begin(None)


def _history(training: TrainedStages) -> pl.DataFrame:
    if training.history:
        return pl.DataFrame(training.history, infer_schema_length=None)
    columns = {"stage": pl.String, "epoch": pl.Int64, "loss": pl.Float64, "seconds": pl.Float64}
    return pl.DataFrame(schema=columns)  # a model that is fitted in one call has no epochs


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Send what lrbench logs in this block, and warnings, to a file as well."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger("lrbench"), logging.getLogger("py.warnings")]
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
