"""A prepared dataset on disk: flat arrays, names, and ``dataset.json`` with where it all came from.

The folder is complete or absent: preparation writes it under a temporary name and renames it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import Filters
from lrbench.data.sequences import Sequences

__all__ = ["DatasetRecord", "PreparedDataset", "StepCounts", "load_prepared", "write_prepared"]


class StepCounts(FrozenConfig):
    """Sizes after one preparation step."""

    step: str
    users: int
    items: int
    interactions: int


class DatasetRecord(FrozenConfig):
    """The content of ``dataset.json``."""

    name: str
    """The true dataset name, with its edition: ``amazon-2014-beauty``."""

    edition: str
    """What the name stands for, in a sentence."""

    synthetic: bool = False
    """Whether the data was generated; every report says so."""

    source: str
    """The source that was used: its address or file, and its form."""

    source_sha256: str
    """SHA-256 of the source's content (after gunzip)."""

    verified: bool
    """Whether that checksum was compared with a known one."""

    filters: Filters
    """The filters that were applied."""

    counts: tuple[StepCounts, ...]
    """Sizes after every step, the first being the raw rows."""

    fingerprint: str
    """Hash of the source's content and of every setting that shapes the result."""

    best_recall_at_10: float | None = None
    """The best achievable test Recall@10 where the generator knows it (synthetic data only)."""

    notes: tuple[str, ...] = ()
    """What a reader of results must know, for instance that the source was handed over unverified."""

    @property
    def final(self) -> StepCounts:
        """Sizes after the last step."""
        return self.counts[-1]


@dataclass(frozen=True)
class PreparedDataset:
    """A prepared dataset in memory."""

    record: DatasetRecord
    sequences: Sequences
    user_ids: pl.Series  # (users,) the raw file's ids, as strings
    item_ids: pl.Series  # (items,)
    titles: pl.Series  # (items,) strings; null where the source has no title


def write_prepared(dataset: PreparedDataset, folder: Path) -> None:
    """Write a prepared dataset into an existing empty folder (the caller renames it into place)."""
    np.save(folder / "items.npy", dataset.sequences.items)
    np.save(folder / "offsets.npy", dataset.sequences.offsets)
    if dataset.sequences.times is not None:
        np.save(folder / "times.npy", dataset.sequences.times)
    pl.DataFrame({"user": dataset.user_ids}).write_parquet(folder / "users.parquet")
    pl.DataFrame({"item": dataset.item_ids, "title": dataset.titles}).write_parquet(folder / "items.parquet")
    (folder / "dataset.json").write_text(dataset.record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_prepared(folder: Path) -> PreparedDataset:
    """Read a prepared dataset; the arrays are memory-mapped."""
    record = DatasetRecord.model_validate_json((folder / "dataset.json").read_text(encoding="utf-8"))
    items = pl.read_parquet(folder / "items.parquet")
    times = folder / "times.npy"
    sequences = Sequences(
        items=np.load(folder / "items.npy", mmap_mode="r"),
        offsets=np.load(folder / "offsets.npy", mmap_mode="r"),
        times=np.load(times, mmap_mode="r") if times.exists() else None,
        n_items=len(items),
    )
    users = pl.read_parquet(folder / "users.parquet")
    return PreparedDataset(record, sequences, users["user"], items["item"], items["title"])
