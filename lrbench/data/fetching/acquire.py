"""From a catalogue entry to a raw file in the data folder, checked before it is kept.

The candidates are tried in order: the mirror for every form of the dataset, then the official addresses of
each form. Files of a mirror folder are copied as well, so that a dataset can be prepared again without it.

- A file that matches its checksum is kept at once.
- A file that does not match is refused, and the next candidate is tried. If the user gave the file with
  ``--from``, it is accepted all the same, and its record says that it is not verified.
- A file that could not be verified is tried out first: it is kept only if it can be read.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lrbench.commands import command
from lrbench.data.addresses import is_address
from lrbench.data.catalogue import Source
from lrbench.data.fetching.candidates import Candidate, usual_candidates
from lrbench.data.fetching.checksums import verify_checksum
from lrbench.data.fetching.download import download, remove_part
from lrbench.data.fetching.failures import TransferError, UnfitError
from lrbench.data.fetching.from_option import given_candidates
from lrbench.data.fetching.locks import locked
from lrbench.data.fetching.raw_files import (
    AcquiredFile,
    AcquisitionRecord,
    find_held,
    forget,
    is_intact,
    keep,
)
from lrbench.data.folders import Folders
from lrbench.data.listener import Listener
from lrbench.data.readers.archive import GZIP_MAGIC
from lrbench.errors import FilterError, LrbenchError

__all__ = ["TryOut", "acquire", "acquire_given"]

TryOut = Callable[[AcquiredFile], object]
"""Reads a file that could not be verified; raises :class:`UnfitError` if that fails."""

_CHUNK = 1 << 20


def acquire(
    name: str, sources: Sequence[Source], folders: Folders, listener: Listener, try_out: TryOut
) -> AcquiredFile:
    """Return the raw file of a dataset, fetching it unless it is here already and intact.

    Args:
        name: the dataset's name.
        sources: its forms in order of preference.
        folders: the data folder and the mirror.
        listener: gets the progress.
        try_out: called with a file that could not be verified, before it is kept.

    Raises:
        RequestError: a file of the user's own is missing, or the data folder cannot be written.
        LrbenchError: no candidate gave the file; the message lists them all and why each failed. Or what
            ``try_out`` raised.
    """
    folder = folders.raw / name
    here = next((found for source in sources if (found := find_held(source, folder))), None)
    if here is not None and is_intact(here):
        return here

    def take(candidate: Candidate) -> AcquiredFile:
        held = find_held(candidate.source, folder)  # another process may have fetched it meanwhile
        if held is not None and is_intact(held):
            return held
        if held is not None:
            listener.say(f"{held.path} is damaged: it is fetched again.")
            forget(held, folder)
        part = _part(candidate.source, folder)
        record = _fetch(candidate, part, listener)
        if not record.verified:
            try:
                _try_out(part, candidate, record, try_out)
            except UnfitError as unfit:
                remove_part(part)
                raise unfit.with_advice("The file was not verified and is not kept.") from unfit
            except FilterError:  # the file could be read: only the filters leave nothing of it
                keep(part, candidate.source, folder, record)
                raise
        return keep(part, candidate.source, folder, record)

    remedy = (
        f"If you can get the file in another way, give it: {command('fetch', name, '--from', 'FILE')}\n"
        "  For many files, set LRBENCH_MIRROR to the folder or address that has them."
    )
    return _first(name, usual_candidates(sources, folders.mirror), folder, listener, take, remedy)


def acquire_given(
    name: str, sources: Sequence[Source], folders: Folders, listener: Listener, given: str, try_out: TryOut
) -> AcquiredFile:
    """Return the file that the user gives. Once it has been read, it replaces the one that is here.

    Args:
        name, sources, folders, listener, try_out: as for :func:`acquire`.
        given: a file, a folder, or an address; an address that ends in ``/`` is a mirror.

    Raises:
        RequestError: there is no such file, the dataset takes none, or the data folder cannot be written.
        LrbenchError: as for :func:`acquire`.
    """
    folder = folders.raw / name

    def take(candidate: Candidate) -> AcquiredFile:
        part = _part(candidate.source, folder)
        record = _fetch(candidate, part, listener, trusted=True)
        if not record.verified:
            try:
                _try_out(part, candidate, record, try_out)
            except (UnfitError, FilterError) as error:
                remove_part(part)
                unfit = error if isinstance(error, UnfitError) else UnfitError(error)
                advice = f"{candidate.shown} is not kept; the dataset is as it was before."
                raise unfit.with_advice(advice) from error
        return keep(part, candidate.source, folder, record)

    remedy = "Give another file or address with --from. The dataset is as it was before."
    return _first(name, given_candidates(name, sources, given), folder, listener, take, remedy)


def _first(
    name: str,
    candidates: Sequence[Candidate],
    folder: Path,
    listener: Listener,
    take: Callable[[Candidate], AcquiredFile],
    remedy: str,
) -> AcquiredFile:
    """Return the file of the first candidate that gives one. The remedy is for the case that none does."""
    failures = []
    for candidate in candidates:
        try:
            with locked(folder / f"{candidate.source.stem}.lock", name, listener):
                return take(candidate)
        except TransferError as failure:
            failures.append(f"{candidate.shown}: {failure}")
            listener.say(f"{name}: {failures[-1]}")
    tried = "".join(f"\n  {failure}" for failure in failures) or " no place is known"
    raise LrbenchError(f"{name} could not be fetched. Tried:{tried}", remedy)


def _fetch(candidate: Candidate, part: Path, listener: Listener, trusted: bool = False) -> AcquisitionRecord:
    """Get the file into ``part``, compare it with its checksum, and record where it came from.

    Args:
        candidate: where to get it.
        part: where to put it.
        listener: gets the progress.
        trusted: whether a person gave it; then it is accepted although its checksum differs.

    Raises:
        TransferError: it cannot be fetched or read. Or its checksum differs, and it is not trusted.
    """
    source = candidate.source
    if is_address(candidate.address):
        download(candidate.address, part, candidate.name, listener, source.size)
    else:
        _copy(Path(candidate.address), part, candidate.name, listener)
    verdict = verify_checksum(part, source, candidate.name)
    if verdict.complaint and not (trusted and verdict.readable):
        remove_part(part)
        raise TransferError(f"refused: {verdict.complaint}")
    notes = []
    if verdict.complaint:
        notes.append(f"given with --from and not verified: {verdict.complaint}")
        listener.say(
            f"{candidate.shown} is NOT verified as {source.file_name}: {verdict.complaint}. You gave it, so "
            "it is used if it can be read."
        )
    elif not verdict.verified:
        notes.append("no checksum is known of this file")
        listener.say(f"{source.file_name}: no checksum is known; its content has SHA-256 {verdict.sha256}.")
    return AcquisitionRecord(
        file=f"{source.file_name}.gz" if _is_gzip(part) else source.file_name,
        address=candidate.shown,
        sha256=verdict.sha256,
        verified=verdict.verified,
        notes=tuple(notes),
    )


def _try_out(part: Path, candidate: Candidate, record: AcquisitionRecord, try_out: TryOut) -> None:
    """Read a file before it is kept. It stays in ``part``, whatever is raised."""
    with _under_its_name(part, candidate.name) as path:
        try_out(AcquiredFile(path, candidate.source, record))


@contextmanager
def _under_its_name(part: Path, name: str) -> Iterator[Path]:
    """Yield a path to ``part`` that has the name of the fetched file, since messages of readers name it."""
    folder = part.with_name(f".{part.name}.unread")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        path = folder / name
        path.symlink_to(part.resolve())
        yield path
    finally:
        shutil.rmtree(folder)


def _copy(file: Path, part: Path, name: str, listener: Listener) -> None:
    """Copy a local file and report the progress. An interrupted copy starts again.

    Raises:
        TransferError: there is no such file, or it cannot be read.
    """
    try:
        origin = file.open("rb")
    except FileNotFoundError as error:
        raise TransferError("there is no such file") from error
    except OSError as error:
        raise TransferError(f"it cannot be read: {error.strerror}") from error
    remove_part(part)
    total = file.stat().st_size
    with origin, part.open("wb") as copy:
        while chunk := origin.read(_CHUNK):
            copy.write(chunk)
            listener.advance(name, copy.tell(), total)


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _part(source: Source, folder: Path) -> Path:
    """Return the path of a file that is not complete yet."""
    return folder / f"{source.stem}.part"
