"""Trial folders: write what a finished trial leaves on disk, and read it back.

A folder holds ``trial.json`` (:class:`TrialRecord`), ``ranks.parquet`` (:data:`RANKS`), ``history.parquet``,
``weights.safetensors`` and ``log.txt``. It is renamed into place when it is complete. So if it exists, the
trial is complete. ``trial.json`` holds the digests of all files of the folder and of itself.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
from pydantic import AwareDatetime, Field, JsonValue, model_validator

from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import Protocol
from lrbench.config.trial import TrialConfig
from lrbench.data.dataset import DatasetSummary
from lrbench.errors import CheckError
from lrbench.files import new_folder, open_plain, remove
from lrbench.lock_files import lock_on
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
"""A record with more threads is damaged. Some libraries abort the process if asked for so many."""

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
"""Columns that files of earlier versions lack → the value that is read for them; null means unknown."""


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
    """The selection metric at that epoch, unrounded."""

    stopped: Literal["patience", "epoch-cap", "fitted", "chosen"]
    """Why the stage ended. With ``epoch-cap``, it may still have been improving."""

    chosen: float | None = None
    """The setting that the stage chose on validation; ``None``: the stage chooses no setting."""

    tried: dict[float, float] = Field(default_factory=dict)
    """Setting that the stage tried → the selection metric with it."""

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
    """Whether the model is the same for every seed. It is then trained only once."""

    config: TrialConfig
    """The fully resolved configuration. The id is its hash."""

    stages: tuple[StageRecord, ...] = Field(min_length=1)
    seed: int
    depth: int = Field(ge=0)
    """The depth that reports use: the configured one; 0 if the model does not reason."""

    draws: int = Field(ge=1)
    metrics: dict[str, dict[str, dict[str, float]]]
    """split → depth → metric → mean over users (headline ranks of the protocol)."""

    exact_ranks_to: int | None = Field(default=None, ge=1)
    """The largest rank that is exact in validation and at depths other than the reported one. Greater ranks
    there were left out, and MRR with them, see :mod:`lrbench.store.brief_ranks`. ``None``: none was."""

    tie_share: float = Field(ge=0, le=1)
    """Share of test targets that tie with another item, at the reported depth."""

    title_metrics: dict[str, float] = Field(default_factory=dict)
    """Test metrics at the reported depth if any item with the target's title counted as the target. Empty if
    the model reads no titles or no two titles are equal, and in trials of earlier versions."""

    repeating_targets: float | None = Field(default=None, ge=0, le=1)
    """Share of test targets that equal the last item of their history; ``None``: not counted."""

    undated_targets: float | None = Field(default=None, ge=0, le=1)
    """Share of test targets with the time of their last input; ``None``: no times, or not counted."""

    divergence: dict[str, float] = Field(default_factory=dict)
    """Intervention → mean KL divergence of the scores without and with it, in nats, on test at the reported
    depth."""

    parameters: int = Field(ge=0)
    flops_per_user: float = Field(ge=0, allow_inf_nan=False)
    """Floating-point operations to encode and score one test user at the reported depth."""

    flops_by_depth: dict[int, float] = Field(default_factory=dict)
    """Stored depth → floating-point operations per test user; empty in trials of earlier versions."""

    latency_by_depth: dict[int, dict[int, float]] = Field(default_factory=dict)
    """Depth → users in a batch → seconds to encode and score 1,000 users on the trial's device. Empty in
    trials of earlier versions."""

    train_seconds: float = Field(ge=0, allow_inf_nan=False)
    evaluate_seconds: float = Field(ge=0, allow_inf_nan=False)
    peak_memory_bytes: int = Field(ge=0)
    device: str
    threads: int = Field(ge=1, le=MOST_THREADS)
    """Number of CPU threads. The last bits of weights and ranks depend on it."""

    processes: int = 1
    """How many processes shared the training, each with a device of its own."""

    versions: dict[str, str]
    """python, torch, lrbench, and the git commit if there is one."""

    started: AwareDatetime
    ended: AwareDatetime
    resumed: int = 0
    """How often the trial went on after an interruption."""

    digests: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every other file of the folder, by name; empty in trials of earlier versions."""

    digest: str = ""
    """SHA-256 of all other fields, see :mod:`lrbench.store.seal`; empty in trials of earlier versions."""

    def exact_to(self, split: str, depth: int) -> int | None:
        """Return the largest rank that is exact at a depth; ``None``: all are."""
        reported = (split, depth) == ("test", self.depth)
        return None if reported or str(depth) not in self.metrics["test"] else self.exact_ranks_to

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse a record that contradicts itself."""
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
    """Write a trial's folder in one step, and remove its files of the time when it was not complete.

    Args:
        results: where trials are kept.
        record: the content of ``trial.json``, without digests.
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
        # Safetensors writes a file that only its owner can read.
        shutil.copymode(folder / RANKS_FILE, folder / WEIGHTS_FILE)
        shutil.copyfile(results.running(record.id) / LOG_FILE, folder / LOG_FILE)
        digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
        record = record.model_copy(update={"digests": digests})
        (folder / RECORD_FILE).write_text(sealed_json(record), encoding="utf-8")
    for left in (results.running(record.id), results.failed(record.id)):
        with suppress(OSError):
            remove(left)
    _remove_evaluation(results, record.id)
    return record


def _remove_evaluation(results: Results, trial_id: str) -> None:
    """Remove what ``lrbench evaluate`` ranked with the weights of an older run.

    The lock is that of the processes which write it: each of them reads the trial's record under the lock.
    """
    if results.evaluation(trial_id).exists():
        with lock_on(results.evaluation_lock(trial_id)), suppress(OSError):
            remove(results.evaluation(trial_id))


def read_record(folder: Path) -> TrialRecord:
    """Read ``trial.json`` of a complete trial.

    Raises:
        CheckError: the record was changed, or is the record of another trial.
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

    They hashed all fields, including the protocol's sentence for captions. The stored JSON is hashed here,
    since the parsed configuration has fields of later versions.
    """
    return f"{record.config.prefix}{content_digest(config)[:12]}"


def read_ranks(folder: Path, intervention: str | None = UNCHANGED, remedy: str = REMEDY) -> pl.LazyFrame:
    """Scan ``ranks.parquet`` of a complete trial, with columns as in :data:`RANKS`.

    Args:
        folder: the trial's, or that of its later evaluation.
        intervention: take only rows with this one; ``None``: all rows.
        remedy: what the user can do about a damaged file.

    Raises:
        LrbenchError: the file is missing, cut off, or has other columns.
    """
    path = folder / RANKS_FILE
    with readable(path, remedy):
        open_plain(path).close()  # refuses a pipe, for whose content Polars would wait
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
