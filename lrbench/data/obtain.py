"""From a dataset's name to its prepared sequences, re-used where they are right and made where they are not.

``prepared/NAME/SETTINGS/`` in the data folder holds one preparation; SETTINGS is a hash of the source's form
and of the filters. A preparation is right if its fingerprint is the one that today's code, settings and
source would give. Two processes may ask for the same dataset at once: one prepares, the other waits.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lrbench.config.protocol import Filters
from lrbench.data.catalogue import Catalogue, Counts, Dataset, Source, load_catalogue
from lrbench.data.dataset import (
    DatasetRecord,
    Origin,
    PreparedDataset,
    StepCounts,
    load_prepared,
    write_prepared,
)
from lrbench.data.fetching.acquire import AcquiredFile, acquire, acquire_all, held_sha256
from lrbench.data.fetching.candidates import in_folder, is_address
from lrbench.data.fetching.locks import exclusively
from lrbench.data.folders import Folders, find_folders
from lrbench.data.listener import Listener, SilentListener
from lrbench.data.preparation.prepare import fingerprint, prepare
from lrbench.data.readers import read
from lrbench.data.synthetic.sample import sample_dataset
from lrbench.errors import CheckError, LrbenchError, RequestError
from lrbench.files import new_folder

__all__ = ["Library", "open_library"]


def open_library(data_dir: Path | None = None, catalogue_file: Path | None = None) -> "Library":
    """Return the datasets that can be asked for by name.

    Args:
        data_dir: the data folder as given on the command line; see :func:`find_folders`.
        catalogue_file: a catalogue of the user's own; its datasets are added to those of lrbench.

    Raises:
        RequestError: a catalogue is missing or malformed.
    """
    folders = find_folders(data_dir)
    return Library(folders, load_catalogue(catalogue_file, folders.own))


@dataclass(frozen=True)
class Library:
    """Datasets by name: what is prepared is reused, what is missing is fetched and prepared."""

    folders: Folders
    catalogue: Catalogue

    def find_prepared(self, name: str, filters: Filters) -> Path | None:
        """Return the folder of a current preparation, of the most preferred form that has one."""
        return find_prepared_folder(name, filters, self.folders, self.catalogue)

    def obtain(
        self, name: str, filters: Filters, listener: Listener | None = None, handed: str | None = None
    ) -> PreparedDataset:
        """Return a dataset prepared with these filters; see :meth:`obtain_folder`."""
        return load_prepared(self.obtain_folder(name, filters, listener, handed))

    def obtain_folder(
        self, name: str, filters: Filters, listener: Listener | None = None, handed: str | None = None
    ) -> Path:
        """Return the folder of a prepared dataset; see :func:`obtain_folder`."""
        return obtain_folder(name, filters, self.folders, self.catalogue, listener, handed)

    def obtain_all(
        self, names: Iterable[str], filters: Filters | None, listener: Listener, handed: str | None = None
    ) -> dict[str, "Path | LrbenchError"]:
        """Obtain several datasets at once; see :func:`obtain_all`."""
        return obtain_all(names, filters, self.folders, self.catalogue, listener, handed)


def find_prepared_folder(name: str, filters: Filters, folders: Folders, catalogue: Catalogue) -> Path | None:
    """Return the folder of a right preparation, of the most preferred form that has one."""
    dataset = catalogue.find(name)
    if dataset.generated:
        folder = _generated_folder(sample_dataset(filters), folders)
        return folder if folder.exists() else None
    for source in catalogue.sources(dataset):
        folder = _folder(dataset, source, filters, folders)
        if _is_right(folder, source, filters, partial(held_sha256, dataset.name, source, folders)):
            return folder
    return None


def obtain(
    name: str,
    filters: Filters,
    folders: Folders,
    catalogue: Catalogue,
    listener: Listener | None = None,
    handed: str | None = None,
) -> PreparedDataset:
    """Return a dataset prepared with these filters; see :func:`obtain_folder`."""
    return load_prepared(obtain_folder(name, filters, folders, catalogue, listener, handed))


def obtain_folder(
    name: str,
    filters: Filters,
    folders: Folders,
    catalogue: Catalogue,
    listener: Listener | None = None,
    handed: str | None = None,
) -> Path:
    """Return the folder of a prepared dataset, fetching and preparing what is missing.

    Args:
        name: a name or alias of the catalogue.
        filters: those of a protocol, or the dataset's own.
        folders: the data folder and the mirror.
        catalogue: where the name is looked up.
        listener: told how fetching goes.
        handed: what the person hands over (``--from``) instead of what is here; see ``acquire``.

    Raises:
        RequestError: no such dataset, a file that cannot be read in its form, or a data folder that cannot be
            written and lacks what is asked for.
        LrbenchError: no place gave the file.
        CheckError: the sizes are not those of the catalogue.
    """
    dataset = catalogue.find(name)
    listener = listener or SilentListener()
    _make_data_folder(folders)
    if dataset.generated and handed is None:
        sample = sample_dataset(filters)
        folder = _generated_folder(sample, folders)
        _write_once(folder, listener, folder.exists, lambda: sample)
        return folder
    ready = None if handed else find_prepared_folder(name, filters, folders, catalogue)
    if ready is not None:
        return ready
    sources = catalogue.sources(dataset)
    if handed is None:
        file = acquire(dataset.name, sources, folders, listener)
        return _prepared_folder(dataset, file, filters, folders, listener, _advice(file))

    def try_out(file: AcquiredFile) -> None:
        advice = "What was handed over is not kept; the dataset is as it was before."
        _prepared_folder(dataset, file, filters, folders, listener, advice)

    file = acquire(dataset.name, sources, folders, listener, handed, try_out)
    return _folder(dataset, file.source, filters, folders)


def obtain_all(
    names: Iterable[str],
    filters: Filters | None,
    folders: Folders,
    catalogue: Catalogue,
    listener: Listener,
    handed: str | None = None,
) -> dict[str, "Path | LrbenchError"]:
    """Obtain several datasets, fetching several files at once; one that fails does not stop the others.

    Args:
        names: names or aliases of the catalogue.
        filters: none: each dataset's own.
        folders, catalogue, listener, handed: as for :func:`obtain_folder`.

    Returns:
        For each name the folder of the prepared dataset, or what went wrong.

    Raises:
        RequestError: a name is not in the catalogue.
    """
    wanted = {name: catalogue.find(name) for name in names}
    missing = {
        dataset.name: catalogue.sources(dataset)
        for name, dataset in wanted.items()
        if not dataset.generated
        and find_prepared_folder(name, filters or dataset.filters, folders, catalogue) is None
    }
    fetched = acquire_all(missing, folders, listener) if handed is None else {}
    outcomes: dict[str, Path | LrbenchError] = {}
    for name, dataset in wanted.items():
        failure = fetched.get(dataset.name)
        if isinstance(failure, LrbenchError):
            outcomes[name] = failure
            continue
        try:
            outcomes[name] = obtain_folder(
                name, filters or dataset.filters, folders, catalogue, listener, handed
            )
        except LrbenchError as error:
            outcomes[name] = error
    return outcomes


def _prepared_folder(
    dataset: Dataset,
    file: AcquiredFile,
    filters: Filters,
    folders: Folders,
    listener: Listener,
    advice: str,
) -> Path:
    """Return the folder of a raw file's preparation, which is made unless it is there.

    If the file cannot be prepared, ``advice`` ends the remedy.
    """
    folder = _folder(dataset, file.source, filters, folders)

    def make() -> PreparedDataset:
        try:
            return _prepare(dataset, file, filters, folders)
        except LrbenchError as error:
            raise type(error)(error.cause, f"{error.remedy} {advice}".strip()) from error

    _write_once(folder, listener, lambda: _is_right(folder, file.source, filters, lambda: file.sha256), make)
    return folder


def _advice(file: AcquiredFile) -> str:
    """Say how to be rid of a kept file that was never verified."""
    if file.record.verified or file.source.local is not None:
        return ""
    return f"The file was not verified: if it is at fault, remove {file.path} and fetch again."


def _prepare(dataset: Dataset, file: AcquiredFile, filters: Filters, folders: Folders) -> PreparedDataset:
    """Read and prepare a raw file, and compare its sizes with the catalogue's."""
    source = file.source
    options = _options(source, folders)
    notes = file.record.notes
    if source not in dataset.sources:
        notes = (*notes, f"This is a fallback; the dataset's first form is {dataset.sources[0].reader}.")
    origin = Origin(
        name=dataset.name,
        edition=dataset.edition,
        source=f"{file.record.address} ({source.reader})",
        source_sha256=file.sha256,
        reader=source.reader,
        options=options,
        verified=file.record.verified,
        notes=notes,
    )
    prepared = prepare(read(source.reader, file.path, options), origin, filters)
    _check(dataset.name, "raw", prepared.record.counts[0], source.raw)
    if filters == dataset.filters:
        _check(dataset.name, "prepared", prepared.record.final, source.prepared)
    return prepared


def _make_data_folder(folders: Folders) -> None:
    try:
        folders.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(
            f"The data folder {folders.data_dir} cannot be made: {error.strerror}.",
            "Choose another with --data-dir.",
        ) from error


def _check(name: str, stage: str, found: StepCounts, expected: Counts) -> None:
    """Compare sizes with those of the catalogue, as far as they are known there.

    Raises:
        CheckError: they differ; the message gives both.
    """
    known = expected.model_dump(exclude_none=True)
    differing = [
        f"{found_count:,} {what} instead of {known[what]:,}"
        for what in known
        if (found_count := getattr(found, what)) != known[what]
    ]
    if differing:
        raise CheckError(
            f"{name}, {stage}: {', '.join(differing)}.",
            "The file is not the edition of the catalogue; fetch it anew with --from, or give a dataset of "
            "your own with --catalog.",
        )


def _is_right(folder: Path, source: Source, filters: Filters, known_sha256: Callable[[], str | None]) -> bool:
    """Tell whether a folder holds what preparing this source, of this content, now would give."""
    try:
        record = DatasetRecord.model_validate_json((folder / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return False
    origin = Origin(
        name=record.name,
        edition=record.edition,
        source=record.source,
        source_sha256=known_sha256() or record.source_sha256,
        reader=source.reader,
        options=source.options,
    )
    return record.fingerprint == fingerprint(origin, filters)


def _generated_folder(sample: PreparedDataset, folders: Folders) -> Path:
    """Named by the fingerprint, so that another generator or other filters give another folder."""
    return folders.prepared / sample.record.name / sample.record.fingerprint


def _write_once(
    folder: Path, listener: Listener, is_right: Callable[[], bool], make: Callable[[], PreparedDataset]
) -> None:
    """Make and write a dataset unless it is there; of two processes, one does and the other waits.

    What is there is found without a lock, since the data folder may be one that can only be read.
    """
    if is_right():
        return
    with exclusively(folder.parent.name, folder.with_name(f"{folder.name}.lock"), listener):
        if not is_right():
            dataset = make()
            with new_folder(folder) as unfinished:
                write_prepared(dataset, unfinished)


def _options(source: Source, folders: Folders) -> dict[str, Any]:
    """Return the reader's options, with the file of titles where the mirror folder has it."""
    if not source.titles or folders.mirror is None or is_address(folders.mirror):
        return source.options
    found = in_folder(Path(folders.mirror), source.titles)
    return {**source.options, "titles": str(found)} if found else source.options


def _folder(dataset: Dataset, source: Source, filters: Filters, folders: Folders) -> Path:
    settings: Mapping[str, Any] = {
        "path": str(source.local or source.path),
        "reader": source.reader,
        "options": _options(source, folders),
        "filters": filters.settings,
    }
    packed = json.dumps(settings, sort_keys=True, default=str)
    return folders.prepared / dataset.name / hashlib.sha256(packed.encode()).hexdigest()[:12]
