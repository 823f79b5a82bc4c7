"""Raw files in the data folder: each with a record beside it that says where it came from.

A file is in ``raw/DATASET/`` at the ``path`` of the catalogue. ``FILE.source.json`` is its record. Only a
file with a record counts as fetched. Each dataset has its own copy. What one dataset has fetched therefore
never changes which form another one uses.
"""

from dataclasses import dataclass
from pathlib import Path

from lrbench.config.base import FrozenConfig
from lrbench.data.catalogue import Source
from lrbench.data.fetching.checksums import content_sha256, verify_checksum
from lrbench.data.fetching.download import remove_part
from lrbench.data.folders import Folders
from lrbench.errors import LrbenchError, RequestError
from lrbench.files import read_plain, write_text

__all__ = ["AcquiredFile", "AcquisitionRecord", "find_held", "forget", "held_sha256", "is_intact", "keep"]


class AcquisitionRecord(FrozenConfig):
    """The content of ``FILE.source.json``."""

    file: str
    """The file's name beside the record."""

    address: str
    """Where it came from, without user, password and query."""

    sha256: str
    """SHA-256 of its content."""

    verified: bool
    """Whether a known checksum matched."""

    notes: tuple[str, ...] = ()
    """What a person must know to judge results."""


@dataclass(frozen=True)
class AcquiredFile:
    """A raw file that is ready to be read."""

    path: Path
    source: Source
    record: AcquisitionRecord

    @property
    def sha256(self) -> str:
        """SHA-256 of its content."""
        return self.record.sha256


def find_held(source: Source, folder: Path) -> AcquiredFile | None:
    """Return the file if it is here: fetched and recorded, or a file of the user's own.

    Args:
        source: the form to look for.
        folder: ``raw/DATASET``.

    Raises:
        RequestError: a file of the user's own is missing.
        LrbenchError: a file of the user's own does not have the checksum of their catalogue.
    """
    if source.local is not None:
        return _user_file(source, source.local)
    record_file = _record_file(source, folder)
    try:
        record = AcquisitionRecord.model_validate_json(read_plain(record_file))
    except (OSError, ValueError):
        return None
    if record.file not in (source.file_name, f"{source.file_name}.gz"):
        return None  # lrbench writes no record that names another file
    path = record_file.with_name(record.file)
    outdated = record.verified and source.checksum.content not in (None, record.sha256)
    return None if outdated or not path.is_file() else AcquiredFile(path, source, record)


def held_sha256(name: str, source: Source, folders: Folders) -> str | None:
    """Return the SHA-256 of a source's present content; ``None`` if only fetching can tell."""
    held = find_held(source, folders.raw / name)
    return held.sha256 if held else source.checksum.content


def is_intact(file: AcquiredFile) -> bool:
    """Tell whether a file still has the recorded content."""
    try:
        return content_sha256(file.path, file.source.member) == file.sha256
    except (OSError, LrbenchError):
        return False


def keep(complete: Path, source: Source, folder: Path, record: AcquisitionRecord) -> AcquiredFile:
    """Move a complete file to its place and record where it came from."""
    record_file = _record_file(source, folder)
    final = record_file.with_name(record.file)
    record_file.unlink(missing_ok=True)
    complete.replace(final)
    remove_part(complete)
    write_text(record_file, record.model_dump_json(indent=2) + "\n")
    return AcquiredFile(final, source, record)


def forget(file: AcquiredFile, folder: Path) -> None:
    """Remove the record of a file, so that it no longer counts as fetched."""
    _record_file(file.source, folder).unlink(missing_ok=True)


def _user_file(source: Source, file: Path) -> AcquiredFile:
    """Return a file of the user's own. It is hashed each time, since it may have changed.

    Raises:
        RequestError: it is missing or cannot be read.
        LrbenchError: it does not have the checksum of the user's catalogue.
    """
    if not file.is_file():
        raise RequestError(
            f"There is no file {file}.",
            "Put it back, correct its path in your catalogue, or give it again with --from and --columns.",
        )
    verdict = verify_checksum(file, source)
    if verdict.complaint:
        fault = LrbenchError if verdict.readable else RequestError
        raise fault(f"{file} is refused: {verdict.complaint}.", "Correct the file or its checksum.")
    record = AcquisitionRecord(
        file=file.name, address=str(file), sha256=verdict.sha256, verified=verdict.verified
    )
    return AcquiredFile(file, source, record)


def _record_file(source: Source, folder: Path) -> Path:
    return folder / f"{source.stem}.source.json"
