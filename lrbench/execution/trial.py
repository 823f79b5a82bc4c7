"""One trial from its configuration to a complete folder."""

import logging
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import torch
from safetensors.torch import save_file

from lrbench.config.base import FrozenConfig
from lrbench.config.trial import TrialConfig
from lrbench.data.dataset import load_prepared
from lrbench.data.splitting import split
from lrbench.errors import LrbenchError
from lrbench.evaluation.cost import count_parameters, flops_per_user, peak_memory, reset_peak_memory
from lrbench.evaluation.rank_everything import evaluate, mean_metrics
from lrbench.execution.reuse_stages import take_over, use_latents
from lrbench.execution.weights import WEIGHTS
from lrbench.files import new_folder, write_text
from lrbench.models.base import Model
from lrbench.plugins import plugin_fingerprint
from lrbench.registry import MODELS
from lrbench.seeds import make_deterministic, seed_torch
from lrbench.store.layout import Results
from lrbench.store.trials import TrialRecord
from lrbench.training.checkpoint import load_checkpoint
from lrbench.training.trainer import EpochReport, Training, train
from lrbench.versions import versions

__all__ = ["TrialOrder", "build_model", "record_failure", "run_trial"]

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
LOG = "log.txt"


class TrialOrder(FrozenConfig):
    """What a worker is told to do."""

    config: TrialConfig
    dataset_folder: Path
    results_folder: Path
    device: str
    threads: int
    fresh: bool = False
    """Train anew even if the trial is complete or has a checkpoint."""

    @property
    def results(self) -> Results:
        """Where the trial is written."""
        return Results(self.results_folder)


def build_model(config: TrialConfig, n_items: int, device: torch.device) -> Model:
    """A freshly initialised model of the trial, from its seed.

    Raises:
        LrbenchError: the plug-in file that the model comes from is not the trial's.
    """
    kind = MODELS.load(config.model)
    if plugin_fingerprint(config.model) != config.plugin:
        raise LrbenchError(
            f'The plug-in file of the model "{config.model}" is not the one that this trial is of.',
            "Put the file back as it was, or run the suite again for trials of the file as it is.",
        )
    seed_torch(config.seed)
    return kind(kind.Config.model_validate(config.params), n_items, config.protocol.max_length).to(device)


def run_trial(order: TrialOrder, watch: Callable[[EpochReport], None]) -> TrialRecord:
    """Train, select, evaluate once, and write the trial's folder; resumes from a checkpoint.

    The results are identical for the same order on the same machine. Nothing but checkpoints
    and the log is on disk until the folder is complete.
    """
    config, started = order.config, datetime.now(UTC)
    code = versions()  # before training: a checkout may move on while a trial runs
    running = order.results.running(config.id)
    if order.fresh:
        shutil.rmtree(running, ignore_errors=True)
    running.mkdir(parents=True, exist_ok=True)
    checkpoint_file = running / CHECKPOINT
    saved = load_checkpoint(checkpoint_file)
    threads = order.threads if saved is None else saved.threads  # another number could change the last bits
    torch.set_num_threads(threads)
    make_deterministic()
    device = torch.device(order.device)
    reset_peak_memory(device)
    with _log_file(running / LOG):
        log.info("trial %s on %s with %d threads", config.id, device, threads)
        dataset = load_prepared(order.dataset_folder)
        parts = split(dataset.sequences, config.protocol)
        model = build_model(config, dataset.sequences.n_items, device)
        begun = take_over(order.results, config, model) if saved is None and not order.fresh else None
        training = train(model, config, parts, device, checkpoint_file, watch, begun)
        use_latents(model, config.evaluation)
        before = time.perf_counter()
        ranks, tied = evaluate(
            model, dataset, parts, config.evaluation.depths, config.evaluation.draws, config.seed, device
        )
        evaluate_seconds = time.perf_counter() - before
        depth = model.configured_depth(model.config)
        record = TrialRecord(
            id=config.id,
            dataset=dataset.record.summary,
            protocol=config.protocol,
            model=config.model,
            params=config.params,
            deterministic=model.deterministic,
            config=config,
            stages=training.stages,
            seed=config.seed,
            depth=depth,
            draws=config.evaluation.draws,
            metrics=mean_metrics(ranks, config.protocol),
            tie_share=tied[depth],
            parameters=count_parameters(model),
            flops_per_user=flops_per_user(model, parts.test, depth, device),
            train_seconds=sum(stage.seconds for stage in training.stages),
            evaluate_seconds=evaluate_seconds,
            peak_memory_bytes=max(peak_memory(device), training.taken_over_bytes),
            device=_device_name(device),
            threads=threads,
            versions=code,
            started=started,
            ended=datetime.now(UTC),
            resumed=training.resumed,
        )
        log.info("done: %s", record.metrics["test"][str(depth)])
    _write(order.results, record, ranks, training, model)
    return record


def record_failure(order: TrialOrder, error: BaseException | str) -> Path:
    """Write ``error.txt`` with the traceback and the last log lines; checkpoints stay for a re-run."""
    text = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    log_file = order.results.running(order.config.id) / LOG
    tail = log_file.read_text(encoding="utf-8").splitlines()[-40:] if log_file.exists() else []
    path = order.results.error(order.config.id)
    write_text(path, text.rstrip() + "\n\nLast lines of the log:\n" + "\n".join(tail) + "\n")
    return path


def _write(
    results: Results, record: TrialRecord, ranks: pl.DataFrame, training: Training, model: Model
) -> None:
    running = results.running(record.id)
    with new_folder(results.trial(record.id)) as folder:
        ranks.write_parquet(folder / "ranks.parquet", statistics=False)
        _history(training).write_parquet(folder / "history.parquet")
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()},
            folder / WEIGHTS,
        )
        shutil.copymode(
            folder / "ranks.parquet", folder / WEIGHTS
        )  # safetensors lets its owner alone read it
        shutil.copyfile(running / LOG, folder / "log.txt")
        (folder / "trial.json").write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(running, ignore_errors=True)
    shutil.rmtree(results.failed(record.id), ignore_errors=True)


def _history(training: Training) -> pl.DataFrame:
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
