"""A prepared dataset on disk: flat arrays, names, and ``dataset.json`` with where it all came from.

The folder is complete or absent: preparation writes it under a temporary name and renames it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import Filters
from lrbench.data.sequences import Sequences
from lrbench.polars_files import read_parquet

__all__ = [
    "DatasetFacts",
    "DatasetRecord",
    "DatasetSummary",
    "Origin",
    "PreparedDataset",
    "StepCounts",
    "load_prepared",
    "write_prepared",
]


class StepCounts(FrozenConfig):
    """Sizes after one preparation step."""

    step: str
    users: int
    items: int
    interactions: int


class DatasetFacts(FrozenConfig):
    """What every record says of a dataset."""

    name: str
    """The true dataset name, with its edition: ``amazon-2014-beauty``."""

    edition: str
    """What the name means, in a sentence."""

    synthetic: bool = False
    """Whether the data was generated; every report says so."""

    source: str
    """The address or file that was used, and its form."""

    verified: bool = False
    """Whether the checksum of the source was compared with a known one."""

    notes: tuple[str, ...] = ()
    """What a reader of results must know, for instance that a fallback was used."""


class Origin(DatasetFacts):
    """Where the rows of a dataset come from, and how they were read."""

    source_sha256: str
    """SHA-256 of the source's content (after gunzip)."""

    reader: str = "generator"
    """A name of ``lrbench.data.readers.READERS``, or ``generator`` for data that lrbench computes."""

    options: dict[str, Any] = Field(default_factory=dict)
    """The reader's options."""


class DatasetSummary(DatasetFacts):
    """A dataset as a trial saw it: what ``trial.json`` says of it."""

    fingerprint: str
    """See :class:`DatasetRecord`."""

    counts: StepCounts
    """Sizes after the last preparation step."""

    best_recall_at_10: float | None = None
    """See :class:`DatasetRecord`."""


class DatasetRecord(Origin):
    """The content of ``dataset.json``."""

    filters: Filters
    """The filters that were applied."""

    counts: tuple[StepCounts, ...]
    """Sizes after every step; the first are those of the raw rows."""

    fingerprint: str
    """Hash of the source's content and of every setting that shapes the result."""

    own_clocks: bool
    """Whether times count from each user's own first interaction and cannot be compared between users."""

    reading: tuple[str, ...] = ()
    """What was decided or left out while reading, for instance blank lines or the encoding."""

    best_recall_at_10: float | None = None
    """The best achievable test Recall@10 where the generator knows it (synthetic data only)."""

    @property
    def final(self) -> StepCounts:
        """Sizes after the last step."""
        return self.counts[-1]

    @property
    def summary(self) -> DatasetSummary:
        """What a trial keeps of this record."""
        shared = self.model_dump(include=DatasetSummary.model_fields.keys() - {"counts"})
        return DatasetSummary(**shared, counts=self.final)


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
    if dataset.sequences.ratings is not None:
        np.save(folder / "ratings.npy", dataset.sequences.ratings)
    pl.DataFrame({"user": dataset.user_ids}).write_parquet(folder / "users.parquet")
    pl.DataFrame({"item": dataset.item_ids, "title": dataset.titles}).write_parquet(folder / "items.parquet")
    (folder / "dataset.json").write_text(dataset.record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_prepared(folder: Path) -> PreparedDataset:
    """Read a prepared dataset; the arrays are memory-mapped."""
    record = DatasetRecord.model_validate_json((folder / "dataset.json").read_text(encoding="utf-8"))
    items = read_parquet(folder / "items.parquet")
    times, ratings = folder / "times.npy", folder / "ratings.npy"
    sequences = Sequences(
        items=np.load(folder / "items.npy", mmap_mode="r"),
        offsets=np.load(folder / "offsets.npy", mmap_mode="r"),
        times=np.load(times, mmap_mode="r") if times.exists() else None,
        n_items=len(items),
        ratings=np.load(ratings, mmap_mode="r") if ratings.exists() else None,
        own_clocks=record.own_clocks,
    )
    users = read_parquet(folder / "users.parquet")
    return PreparedDataset(record, sequences, users["user"], items["item"], items["title"])
