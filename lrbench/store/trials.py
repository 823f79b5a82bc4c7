"""Trial folders: what a finished trial leaves on disk, writing it, and reading it back.

A folder holds ``trial.json`` (:class:`TrialRecord`), ``ranks.parquet`` (:data:`RANKS`),
``history.parquet``, ``weights.safetensors`` and ``log.txt``. It is renamed into place when
complete: if it exists, the trial is whole. ``trial.json`` is bound to its folder: it carries the
digests of all files and of itself.
"""

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
from pydantic import Field, JsonValue, model_validator

from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import Protocol
from lrbench.config.trial import TrialConfig
from lrbench.data.dataset import DatasetSummary
from lrbench.errors import CheckError
from lrbench.files import new_folder, open_plain
from lrbench.polars_files import read_parquet, scan_parquet, schema_of
from lrbench.store.layout import HISTORY_FILE, LOG_FILE, RANKS_FILE, RECORD_FILE, WEIGHTS_FILE, Results
from lrbench.store.seal import content_digest, file_digest, read_sealed, readable, sealed_json

__all__ = [
    "RANKS",
    "UNCHANGED",
    "DatasetSummary",
    "StageRecord",
    "TrialRecord",
    "read_history",
    "read_ranks",
    "read_record",
    "write_trial",
]

MOST_THREADS = 1024
"""More threads than this are damage: some libraries abort the process when they get them."""

REMEDY = "Move the folder away and run the trial again."

RANKS = pl.Schema(
    {
        "split": pl.String,  # "valid" or "test"
        "user": pl.String,  # the raw file's id
        "target": pl.String,  # the raw file's item id
        "depth": pl.Int32,  # 0 if the model does not reason
        "draw": pl.Int32,
        "rank": pl.Float64,
        "rank_masked": pl.Float64,  # seen items removed, the target kept
        "ties": pl.Int32,  # other items with exactly the target's score; null in older files
        "ties_masked": pl.Int32,  # those of them that the user has not seen; null in older files
        "intervention": pl.String,  # what was changed in the latent; "none" in older files
    }
)

UNCHANGED = "none"
"""Value of the column ``intervention`` where nothing was changed."""

LATER = {"ties": None, "ties_masked": None, "intervention": UNCHANGED}
"""Columns that files of earlier versions lack, and how they are read; null means unknown."""


class StageRecord(FrozenConfig):
    """What happened in one training stage."""

    name: str
    epochs: int
    """Epochs run."""

    steps: int
    """Optimiser steps taken."""

    seconds: float
    """Wall time of training and validation."""

    best_epoch: int | None
    """The epoch whose weights were selected; ``None`` for a stage without epochs."""

    best_metric: float | None
    """The selection metric there, unrounded."""

    stopped: Literal["patience", "epoch-cap", "fitted", "chosen"]
    """Why the stage ended; ``epoch-cap`` means that it may still have been improving."""

    chosen: float | None = None
    """The setting that the stage chose on validation; ``None``: it is no stage of choice."""

    tried: dict[float, float] = Field(default_factory=dict)
    """Each setting that it tried → the selection metric with it."""

    trained_in: str | None = None
    """The trial whose weights this one reused for the stage; ``None``: this trial ran the stage."""


class TrialRecord(FrozenConfig):
    """The content of ``trial.json``."""

    id: str
    dataset: DatasetSummary
    protocol: Protocol
    model: str
    params: dict[str, JsonValue]
    deterministic: bool
    """Whether the model is the same for every seed, so that it was trained once."""

    config: TrialConfig
    """The fully resolved configuration. The id is its hash."""

    stages: tuple[StageRecord, ...] = Field(min_length=1)
    seed: int
    depth: int = Field(ge=0)
    """The depth that reports use: the configured one; 0 if the model does not reason."""

    draws: int = Field(ge=1)
    metrics: dict[str, dict[str, dict[str, float]]]
    """split → depth → metric → mean over users (headline ranks of the protocol)."""

    tie_share: float = Field(ge=0, le=1)
    """Share of test targets with another item at exactly their score (at the reported depth)."""

    title_metrics: dict[str, float] = Field(default_factory=dict)
    """Test metrics at the reported depth if any item with the target's title counted as the target. Empty for
    models that do not read titles, where no two titles are equal, and in trials of earlier versions."""

    repeating_targets: float | None = Field(default=None, ge=0, le=1)
    """Share of test targets that are the last item of their history again; ``None``: not counted."""

    undated_targets: float | None = Field(default=None, ge=0, le=1)
    """Share of test targets with the time of their last input; ``None``: no times, or not counted."""

    divergence: dict[str, float] = Field(default_factory=dict)
    """Of each intervention, the mean KL of the scores without and with it, in nats (test, reported depth)."""

    parameters: int = Field(ge=0)
    flops_per_user: float = Field(ge=0, allow_inf_nan=False)
    """Floating-point operations to encode and score one test user at the reported depth."""

    flops_by_depth: dict[int, float] = Field(default_factory=dict)
    """The same at every stored depth; empty in trials of versions that did not count it."""

    latency_by_depth: dict[int, dict[int, float]] = Field(default_factory=dict)
    """Depth → users in a batch → seconds per 1,000 users to encode and score them on the trial's device.
    Trials of versions that did not measure it have none."""

    train_seconds: float = Field(ge=0, allow_inf_nan=False)
    evaluate_seconds: float = Field(ge=0, allow_inf_nan=False)
    peak_memory_bytes: int = Field(ge=0)
    device: str
    threads: int = Field(ge=1, le=MOST_THREADS)
    """CPU threads. Weights and ranks depend on their number in the last bits."""

    processes: int = 1
    """How many processes shared its training, each with a device of its own."""

    versions: dict[str, str]
    """python, torch, lrbench, and the git commit if there is one."""

    started: datetime
    ended: datetime
    resumed: int = 0
    """How often the trial went on after an interruption."""

    digests: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every other file of the folder, by name; empty in trials of earlier versions."""

    digest: str = ""
    """SHA-256 of all other fields, see :mod:`lrbench.store.seal`; empty in trials of earlier versions."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse a record that says one thing twice, and differently."""
        config = self.config
        for name in ("protocol", "model", "params", "seed"):
            if getattr(self, name) != getattr(config, name):
                raise ValueError(f"its {name} is not that of its configuration")
        if (self.dataset.name, self.dataset.fingerprint) != (config.dataset, config.fingerprint):
            raise ValueError("its dataset is not that of its configuration")
        if self.draws != config.evaluation.draws or self.depth not in config.evaluation.depths:
            raise ValueError("its depth or draws are not among those of its configuration")
        if str(self.depth) not in self.metrics.get("test", {}):
            raise ValueError("it has no test metrics at its depth")
        if self.deterministic and self.seed != 0:
            raise ValueError("it has a seed although its model has no randomness")
        return self


def write_trial(
    results: Results,
    record: TrialRecord,
    ranks: pl.DataFrame,
    history: pl.DataFrame,
    save_weights: Callable[[Path], None],
) -> TrialRecord:
    """Write a trial's folder in one step, and remove what the trial left while it was under way.

    Args:
        results: where trials are kept.
        record: the content of ``trial.json`` but for its digests.
        ranks: rows as :data:`RANKS`.
        history: one row per epoch and stage.
        save_weights: writes the selected weights into a file.

    Returns:
        The record with the digests of the folder's files.
    """
    with new_folder(results.trial(record.id)) as folder:
        ranks.write_parquet(folder / RANKS_FILE, statistics=False)
        history.write_parquet(folder / HISTORY_FILE)
        save_weights(folder / WEIGHTS_FILE)
        shutil.copymode(
            folder / RANKS_FILE, folder / WEIGHTS_FILE
        )  # safetensors lets its owner alone read it
        shutil.copyfile(results.running(record.id) / LOG_FILE, folder / LOG_FILE)
        digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
        record = record.model_copy(update={"digests": digests})
        (folder / RECORD_FILE).write_text(sealed_json(record), encoding="utf-8")
    shutil.rmtree(results.running(record.id), ignore_errors=True)
    shutil.rmtree(results.failed(record.id), ignore_errors=True)
    shutil.rmtree(results.evaluation(record.id), ignore_errors=True)  # with the weights of another run
    return record


def read_record(folder: Path) -> TrialRecord:
    """Read ``trial.json`` of a complete trial.

    Raises:
        CheckError: the record was changed, or is that of another trial than the folder's.
        LrbenchError: the file is missing, or this version cannot understand it.
    """
    path = folder / RECORD_FILE
    record, values = read_sealed(path, TrialRecord, REMEDY, later="digests")
    if record.id != folder.resolve().name:
        raise CheckError(f"{path} is the record of another trial, {record.id}.", REMEDY)
    if not record.digest and record.id not in (record.config.id, _earlier_id(record, values["config"])):
        raise CheckError(f"{path} holds a configuration that is not the trial's: its hash differs.", REMEDY)
    return record


def _earlier_id(record: TrialRecord, config: dict[str, Any]) -> str:
    """Return the id that versions without digests gave a trial with this configuration.

    They hashed all fields, also the protocol's sentence for captions. The stored JSON is hashed, not the
    parsed configuration, to which later versions added fields.
    """
    return f"{record.config.prefix}{content_digest(config)[:12]}"


def read_ranks(folder: Path, intervention: str | None = UNCHANGED) -> pl.LazyFrame:
    """Scan ``ranks.parquet`` of a complete trial; columns as in :data:`RANKS`, null where never stored.

    Args:
        folder: the trial's.
        intervention: only rows with this one; ``None``: all rows.

    Raises:
        LrbenchError: the file is missing, cut off, or has other columns.
    """
    path = folder / RANKS_FILE
    with readable(path, REMEDY):
        open_plain(path).close()  # a reader of Parquet waits for a pipe
        found = schema_of(scan_parquet(path))  # a scan alone would find damage later, and name no file
        for name, kind in RANKS.items():
            if found.get(name) != kind and not (name in LATER and name not in found):
                raise ValueError(f"its column {name} is missing or of another type")
    added = [pl.lit(value, RANKS[name]).alias(name) for name, value in LATER.items() if name not in found]
    ranks = scan_parquet(path).with_columns(added)
    return ranks if intervention is None else ranks.filter(intervention=intervention)


def read_history(folder: Path) -> pl.DataFrame:
    """Read ``history.parquet``: one row per epoch and stage.

    Raises:
        LrbenchError: the file is missing or damaged.
    """
    path = folder / HISTORY_FILE
    with readable(path, REMEDY):
        open_plain(path).close()
        return read_parquet(path)
