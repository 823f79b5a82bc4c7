"""Trial folders: what a finished trial leaves behind, and reading it back.

A folder holds ``trial.json`` (:class:`TrialRecord`), ``ranks.parquet`` (:data:`RANKS`),
``history.parquet``, ``weights.safetensors`` and ``log.txt``. It is renamed into place when
complete: if it exists, the trial is whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import JsonValue

from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import Protocol
from lrbench.config.trial import TrialConfig
from lrbench.data.dataset import DatasetSummary
from lrbench.errors import LrbenchError
from lrbench.polars_files import read_parquet, scan_parquet

__all__ = [
    "RANKS",
    "DatasetSummary",
    "StageRecord",
    "TrialRecord",
    "read_history",
    "read_ranks",
    "read_record",
]

RANKS = pl.Schema(
    {
        "split": pl.String,  # "valid" or "test"
        "user": pl.String,  # the raw file's id
        "target": pl.String,  # the raw file's item id
        "depth": pl.Int32,  # 0 where the model does not reason
        "draw": pl.Int32,
        "rank": pl.Float64,
        "rank_masked": pl.Float64,  # seen items removed, the target kept
        "ties": pl.Int32,  # other items with exactly the target's score; null in older files
        "ties_masked": pl.Int32,  # those of them that the user has not seen; null in older files
    }
)

LATER = frozenset({"ties", "ties_masked"})
"""Columns that files of earlier versions lack; they are read as null, which means unknown."""


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
    """The epoch whose weights were selected; none for a stage without epochs."""

    best_metric: float | None
    """The selection metric there, unrounded."""

    stopped: Literal["patience", "epoch-cap", "fitted"]
    """Why the stage ended; ``epoch-cap`` means that it may still have been improving."""

    trained_in: str | None = None
    """The trial that ran the stage, where this one took its weights over; none: this one."""


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
    """The fully resolved configuration the id was made from."""

    stages: tuple[StageRecord, ...]
    seed: int
    depth: int
    """The depth that reports use: the configured one; 0 where the model does not reason."""

    draws: int
    metrics: dict[str, dict[str, dict[str, float]]]
    """split → depth → metric → mean over users (headline ranks of the protocol)."""

    tie_share: float
    """Share of test targets with another item at exactly their score (at the reported depth)."""

    parameters: int
    flops_per_user: float
    """Floating-point operations to encode and score one test user at the reported depth."""

    train_seconds: float
    evaluate_seconds: float
    peak_memory_bytes: int
    device: str
    threads: int
    versions: dict[str, str]
    """python, torch, lrbench, and the git commit where there is one."""

    started: datetime
    ended: datetime
    resumed: int = 0
    """How often the trial was taken up again after an interruption."""


def read_record(folder: Path) -> TrialRecord:
    """Read ``trial.json`` of a complete trial.

    Raises:
        LrbenchError: the file is not there, or cannot be understood by this version.
    """
    path = folder / "trial.json"
    with _readable(path):
        return TrialRecord.model_validate_json(path.read_text(encoding="utf-8"))


def read_ranks(folder: Path) -> pl.LazyFrame:
    """Scan ``ranks.parquet`` of a complete trial; columns as in :data:`RANKS`, null where never stored.

    Raises:
        LrbenchError: the file is not there, or cut off.
    """
    path = folder / "ranks.parquet"
    with _readable(path):
        found = scan_parquet(path).collect_schema()  # scanning alone would find out later, and name no file
    added = [pl.lit(None, dtype).alias(name) for name, dtype in RANKS.items() if name in LATER - found.keys()]
    return scan_parquet(path).with_columns(added)


def read_history(folder: Path) -> pl.DataFrame:
    """Read ``history.parquet``: one row per epoch and stage.

    Raises:
        LrbenchError: the file is not there, or damaged.
    """
    path = folder / "history.parquet"
    with _readable(path):
        return read_parquet(path)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Within, what goes wrong means that a trial's file is missing, damaged or of another version."""
    try:
        yield
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise LrbenchError(
            f"{path} is missing, damaged or of another version of lrbench.",
            f"Move the folder away and run the trial again. ({str(error).splitlines()[0]})",
        ) from error
