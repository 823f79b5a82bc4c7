"""Preparations that are kept in the data folder: where each is, whether it is current, and how it is made.

``prepared/NAME/SETTINGS/`` holds one preparation. SETTINGS is a hash of the source's form and of the filters.
A preparation is current if its files are what was written, and its fingerprint is the one that today's code,
settings and source would give.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.config.protocol import Filters
from lrbench.data.addresses import is_address
from lrbench.data.catalogue import Dataset, Source
from lrbench.data.dataset import (
    DamagedError,
    DatasetRecord,
    Origin,
    PreparedDataset,
    check_prepared,
    write_prepared,
)
from lrbench.data.fetching.candidates import in_folder
from lrbench.data.fetching.failures import UnfitError
from lrbench.data.fetching.locks import locked
from lrbench.data.fetching.raw_files import AcquiredFile, held_sha256, is_intact
from lrbench.data.folders import Folders
from lrbench.data.listener import Listener, SilentListener
from lrbench.data.preparation.prepare import fingerprint, prepare
from lrbench.data.readers import read
from lrbench.errors import CheckError, FilterError, LrbenchError, RequestError
from lrbench.files import new_folder
from lrbench.paths import expanded

__all__ = ["KeptDataset", "Preparation"]


@dataclass(frozen=True)
class KeptDataset(ABC):
    """A folder that holds one preparation of a dataset, or will."""

    dataset: Dataset
    filters: Filters
    folders: Folders

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the preparation is kept."""

    @abstractmethod
    def is_current(self, listener: Listener | None = None) -> bool:
        """Tell whether the folder holds what preparing would give now. The listener hears of damage."""

    def holds(self, is_right: Callable[[DatasetRecord], bool], listener: Listener) -> bool:
        """Tell whether the folder holds this dataset, undamaged and with the right record.

        Args:
            is_right: tells whether a record is the one that preparing would give now.
            listener: hears of damage.
        """
        if not self.folder.exists():
            return False
        try:
            record = check_prepared(self.folder)
        except DamagedError as error:
            listener.say(f"The prepared {self.dataset.name} {error.fault}. It is prepared again.")
            return False
        return record.name == self.dataset.name and is_right(record)

    def write_once(
        self, is_current: Callable[[], bool], make: Callable[[], PreparedDataset], listener: Listener
    ) -> None:
        """Make and write the dataset unless it is there. If two processes try, one waits for the other.

        The first look takes no lock, since the data folder may be read-only.
        """
        if is_current():
            return
        with locked(self.folder.with_name(f"{self.folder.name}.lock"), self.dataset.name, listener):
            if not is_current():
                dataset = make()
                with new_folder(self.folder) as unfinished:
                    write_prepared(dataset, unfinished)


@dataclass(frozen=True)
class Preparation(KeptDataset):
    """The preparation of a dataset from a raw file in one form."""

    source: Source

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        settings = {
            "path": str(self.source.local or self.source.path),
            "reader": self.source.reader,
            "options": self._options,
            "filters": self.filters.settings,
        }
        packed = json.dumps(settings, sort_keys=True, default=str)
        name = hashlib.sha256(packed.encode()).hexdigest()[:12]
        return self.folders.prepared / self.dataset.name / name

    def is_current(self, listener: Listener | None = None) -> bool:
        """Tell whether the folder holds what preparing would give now. The listener hears of damage.

        Raises:
            RequestError: a file of the user's own is missing.
            LrbenchError: a file of the user's own does not have the checksum of their catalogue.
        """
        known = held_sha256(self.dataset.name, self.source, self.folders)
        return self._holds_content(known, listener or SilentListener())

    def make(self, file: AcquiredFile, listener: Listener) -> None:
        """Prepare a raw file and write the dataset unless it is there.

        Raises:
            UnfitError: the file cannot be read in this form, or has other sizes than the catalogue says.
            FilterError: the file was read, but the filters leave nothing, or need ratings that it lacks.
            RequestError: the data folder cannot be written.
        """
        silent = SilentListener()
        self.write_once(
            lambda: self._holds_content(file.sha256, silent), lambda: self._prepared(file), listener
        )

    def _holds_content(self, sha256: str | None, listener: Listener) -> bool:
        """Tell whether the folder holds what preparing this content gives; ``None``: any content will do.

        It does not if the catalogue gives other sizes by now.
        """

        def is_right(record: DatasetRecord) -> bool:
            origin = self._origin(record.source, sha256 or record.source_sha256)
            return record.fingerprint == fingerprint(origin, self.filters) and not self._odd_sizes(record)

        return self.holds(is_right, listener)

    def _prepared(self, file: AcquiredFile) -> PreparedDataset:
        notes = file.record.notes
        if self.source not in self.dataset.sources:
            first = self.dataset.sources[0].reader
            notes = (*notes, f"This is a fallback; the dataset's first form is {first}.")
        origin = self._origin(f"{file.record.address} ({self.source.reader})", file.sha256).model_copy(
            update={"verified": file.record.verified, "notes": notes}
        )
        try:
            prepared = prepare(
                read(self.source.reader, file.path, self._options), origin, self.filters, self.folder.parent
            )
            self._check_sizes(prepared.record)
        except FilterError:
            raise
        except LrbenchError as error:
            _check_unchanged(file)
            raise UnfitError(error) from error
        except OSError:
            _check_unchanged(file)
            raise
        _check_unchanged(file)
        return prepared

    def _origin(self, source: str, sha256: str) -> Origin:
        return Origin(
            name=self.dataset.name,
            edition=self.dataset.edition,
            source=source,
            source_sha256=sha256,
            reader=self.source.reader,
            options=self._options,
        )

    @property
    def _options(self) -> dict[str, Any]:
        """The reader's options, with the file of titles if the mirror folder has it."""
        mirror = self.folders.mirror
        if not self.source.titles or mirror is None or is_address(mirror):
            return self.source.options
        found = in_folder(expanded(mirror), self.source.titles)
        return {**self.source.options, "titles": str(found)} if found else self.source.options

    def _check_sizes(self, record: DatasetRecord) -> None:
        """Compare sizes with those that the catalogue gives.

        Raises:
            CheckError: they differ; the message gives both.
        """
        if odd := self._odd_sizes(record):
            remedy = (
                "Give the right one with --from, or describe a dataset of your own with --catalog."
                if self.source.local is None
                else "Correct the file, or the sizes in your catalogue."
            )
            raise CheckError(
                f"{self.dataset.name}, {odd}.", f"The file is not the edition of the catalogue. {remedy}"
            )

    def _odd_sizes(self, record: DatasetRecord) -> str:
        """Say which sizes are not those of the catalogue, and after which step; empty if none."""
        stages = [("raw", record.counts[0], self.source.raw)]
        if self.filters == self.dataset.filters:
            stages.append(("prepared", record.final, self.source.prepared))
        for stage, found, expected in stages:
            known = expected.model_dump(exclude_none=True)
            differing = [
                f"{getattr(found, what):,} {what} instead of {known[what]:,}"
                for what in known
                if getattr(found, what) != known[what]
            ]
            if differing:
                return f"{stage}: {', '.join(differing)}"
        return ""


def _check_unchanged(file: AcquiredFile) -> None:
    """Refuse a file of the user's own that another program changed after it was hashed.

    Its rows would be kept as those of the former content. Fetched files are copies that lrbench alone writes.

    Raises:
        RequestError: it has other content now, or is gone.
    """
    if file.source.local is not None and not is_intact(file):
        raise RequestError(
            f"{file.path} was changed while it was read.", "Repeat the command when the file is complete."
        )
