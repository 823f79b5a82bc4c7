"""A prepared dataset on disk: flat arrays, names, and ``dataset.json``, which says where it all came from.

The folder is complete or absent: preparation writes it under a temporary name and renames it. Digests of all
files are compared when it is read. Otherwise a flipped bit would change results under the same trial id.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from lrbench.config.base import FrozenConfig
from lrbench.config.protocol import Filters
from lrbench.data.addresses import without_folders
from lrbench.data.sequences import Sequences
from lrbench.errors import LrbenchError
from lrbench.files import open_plain, read_plain
from lrbench.polars_files import read_parquet
from lrbench.wording import counted

__all__ = [
    "DamagedError",
    "DatasetFacts",
    "DatasetRecord",
    "DatasetSummary",
    "Origin",
    "PreparedDataset",
    "StepCounts",
    "check_prepared",
    "load_prepared",
    "write_prepared",
]

_RECORD = "dataset.json"
_FILES = frozenset({"items.npy", "offsets.npy", "users.parquet", "items.parquet"})
"""Files that every prepared dataset has; some also have times, ratings or accounts."""


class StepCounts(FrozenConfig):
    """Sizes after one preparation step."""

    step: str
    users: int
    items: int
    interactions: int

    @property
    def sizes(self) -> tuple[str, str, str]:
        """The sizes in words: ``1,429 users``, ``900 items``, ``1 interaction``."""
        return (
            counted(self.users, "user"),
            counted(self.items, "item"),
            counted(self.interactions, "interaction"),
        )


class DatasetFacts(FrozenConfig):
    """What every record says of a dataset."""

    raw_text = frozenset({"source", "notes"})  # they quote names and content of files

    name: str
    """The true dataset name, with its edition: ``amazon-2014-beauty``."""

    edition: str
    """What the name means, in a sentence."""

    synthetic: bool = False
    """Whether the data was generated; every report says so."""

    source: str
    """The address or file that was used, and its form."""

    verified: bool = False
    """Whether a known checksum of the source matched."""

    notes: tuple[str, ...] = ()
    """What a person must know to judge results, for instance that a fallback was used."""


class Origin(DatasetFacts):
    """Where the rows of a dataset come from, and how they were read."""

    source_sha256: str
    """SHA-256 of the source's content (after gunzip)."""

    reader: str = "generator"
    """A name of ``lrbench.data.readers.READERS``, or ``generator`` for data that lrbench computes."""

    options: dict[str, Any] = Field(default_factory=dict)
    """The reader's options."""


class DatasetSummary(DatasetFacts):
    """What ``trial.json`` says about the dataset."""

    fingerprint: str
    """See :class:`DatasetRecord`."""

    counts: StepCounts
    """Sizes after the last preparation step."""

    best_recall_at_10: float | None = None
    """See :class:`DatasetRecord`."""


class DatasetRecord(Origin):
    """The content of ``dataset.json``."""

    raw_text = frozenset({"source", "notes", "reading"})

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

    digests: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each file of the folder by its name, and of the other fields of ``dataset.json`` itself."""

    @property
    def final(self) -> StepCounts:
        """Sizes after the last step."""
        return self.counts[-1]

    @property
    def summary(self) -> DatasetSummary:
        """What a trial keeps of this record. Of the source's path it keeps the name.

        Archives of trials are published, and folders hold names of people.
        """
        shared = self.model_dump(include=DatasetSummary.model_fields.keys() - {"counts", "source"})
        return DatasetSummary(**shared, source=without_folders(self.source), counts=self.final)


class DamagedError(LrbenchError):
    """The folder of a prepared dataset does not hold what this version would write there.

    Args:
        folder: the folder.
        fault: what is wrong; the rest of the sentence "The prepared dataset in FOLDER …".
    """

    def __init__(self, folder: Path, fault: str) -> None:
        self.fault = fault
        super().__init__(
            f"The prepared dataset in {folder} {fault}.",
            "Fetch the dataset again: it is then prepared again.",
        )


@dataclass(frozen=True)
class PreparedDataset:
    """A prepared dataset in memory."""

    record: DatasetRecord
    sequences: Sequences
    user_ids: pl.Series  # (users,) the raw file's ids, as strings
    item_ids: pl.Series  # (items,)
    titles: pl.Series  # (items,) strings; null where the source has no title

    @property
    def names(self) -> list[str]:
        """A readable name of each item, (items,): its title, or ``item ID`` if it has none."""
        named = zip(self.titles, self.item_ids, strict=True)
        return [f"item {item}" if title is None else str(title) for title, item in named]


def write_prepared(dataset: PreparedDataset, folder: Path) -> None:
    """Write a prepared dataset into an existing empty folder (the caller renames it into place).

    ``dataset.json`` gets a digest of every file, so that damage is noticed when the folder is read.
    """
    np.save(folder / "items.npy", dataset.sequences.items)
    np.save(folder / "offsets.npy", dataset.sequences.offsets)
    if dataset.sequences.times is not None:
        np.save(folder / "times.npy", dataset.sequences.times)
    if dataset.sequences.ratings is not None:
        np.save(folder / "ratings.npy", dataset.sequences.ratings)
    if dataset.sequences.accounts is not None:
        np.save(folder / "accounts.npy", dataset.sequences.accounts)
    pl.DataFrame({"user": dataset.user_ids}).write_parquet(folder / "users.parquet")
    pl.DataFrame({"item": dataset.item_ids, "title": dataset.titles}).write_parquet(folder / "items.parquet")
    document = dataset.record.model_dump(mode="json")
    document["digests"] = {file.name: _digest(file) for file in sorted(folder.iterdir())}
    document["digests"][_RECORD] = _record_digest(document)
    (folder / _RECORD).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load_prepared(folder: Path) -> PreparedDataset:
    """Read a prepared dataset; the arrays are memory-mapped.

    Raises:
        DamagedError: a file is not what was written.
    """
    record = check_prepared(folder)
    items = read_parquet(folder / "items.parquet")
    written = record.digests.keys()
    sequences = Sequences(
        items=np.load(folder / "items.npy", mmap_mode="r"),
        offsets=np.load(folder / "offsets.npy", mmap_mode="r"),
        times=np.load(folder / "times.npy", mmap_mode="r") if "times.npy" in written else None,
        n_items=len(items),
        ratings=np.load(folder / "ratings.npy", mmap_mode="r") if "ratings.npy" in written else None,
        accounts=np.load(folder / "accounts.npy", mmap_mode="r") if "accounts.npy" in written else None,
        own_clocks=record.own_clocks,
    )
    users = read_parquet(folder / "users.parquet")
    return PreparedDataset(record, sequences, users["user"], items["item"], items["title"])


def check_prepared(folder: Path) -> DatasetRecord:
    """Compare every file of a prepared dataset with its digest, and return the record.

    All bytes are read once: about a second for each gigabyte.

    Raises:
        DamagedError: a file is missing or is not what was written, or an earlier version of lrbench wrote it.
    """
    try:
        document = json.loads(read_plain(folder / _RECORD))
        if isinstance(document, dict) and "digests" not in document:
            raise DamagedError(folder, "was written by an earlier version of lrbench")
        record = DatasetRecord.model_validate(document)
    except (OSError, ValueError, RecursionError):
        raise DamagedError(folder, f"is damaged: {_RECORD} cannot be read") from None
    if record.digests.get(_RECORD) != _record_digest(document) or not record.digests.keys() >= _FILES:
        raise DamagedError(folder, f"is damaged: {_RECORD} is not what was written")
    for name, digest in record.digests.items():
        if name == _RECORD:
            continue
        try:
            found = _digest(folder / name)
        except OSError:
            raise DamagedError(folder, f"is damaged: {name} cannot be read") from None
        if found != digest:
            raise DamagedError(folder, f"is damaged: {name} is not what was written")
    return record


def _digest(file: Path) -> str:
    with open_plain(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _record_digest(document: Mapping[str, Any]) -> str:
    """Return the digest of a record as it is written, without that digest itself.

    Fields that later versions add to ``DatasetRecord`` therefore change no digest.
    """
    digests = {name: digest for name, digest in document["digests"].items() if name != _RECORD}
    packed = json.dumps({**document, "digests": digests}, sort_keys=True)
    return hashlib.sha256(packed.encode()).hexdigest()
