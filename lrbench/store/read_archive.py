"""Unpack an archive of another person: only plain files with expected names, each checked by its digest.

Nothing in the file is trusted. Names are compared with those that lrbench writes, so that no entry is written
outside the folder. Entries are not compressed and may not overlap, so that they unpack to no more than the
archive's size. The stream of a compact archive is read up to the sizes that its list names. These sizes are
limited.
"""

import errno
import hashlib
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrbench.errors import LrbenchError, RequestError
from lrbench.store.archive_form import (
    CHUNK,
    LARGEST_TEXT,
    LIST_FILE,
    MOST_ENTRIES,
    PACKED_FILE,
    FileList,
    belongs,
)
from lrbench.store.layout import Results
from lrbench.store.packed_archive import LARGEST_RATIO, read_packed
from lrbench.store.seal import check_seal
from lrbench.text import shortened

__all__ = ["REMEDY", "unpack_archive"]

REMEDY = "Copy it again, or export it again: lrbench export SUITE --archive FILE"
_TEXTS = (".json", ".jsonl")
_ENCRYPTED = 0x1
_BROKEN = (
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    RuntimeError,
    ValueError,
    IndexError,
    OverflowError,
)
"""Errors that Python's zip reader raises for a damaged file."""

_DAMAGED = "it is cut off, damaged, or was written by another program"


def unpack_archive(path: Path, folder: Path) -> FileList:
    """Write the entries of an archive below ``folder``, in the layout of a results folder.

    Raises:
        RequestError: the file is no archive, is damaged, or holds something that no archive holds. Part of it
            may have been written by then: the caller removes ``folder``.
    """
    if not path.is_file():
        fault = f"{path} is no file" if path.exists() else f"There is no file {path}"
        raise RequestError(f"{fault}.", "Give the file that lrbench export wrote.")
    with _damage_reported(path):
        archive = zipfile.ZipFile(path)
    with archive:
        entries = _checked_entries(path, archive.infolist())
        listed = _read_list(path, archive, entries)
        if listed.version == 2:
            _unpack_stream(path, archive, entries[PACKED_FILE], listed, folder)
            return listed
        for name, digest in listed.files.items():
            _unpack(path, archive, entries[name], folder / name, digest)
    return listed


def _checked_entries(path: Path, entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name. Refuse links, folders, and compressed, doubled or overlapping entries."""
    if len(entries) > MOST_ENTRIES:
        raise _refused(path, f"it has more than {MOST_ENTRIES:,} entries")
    for info in entries:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or info.is_dir():
            raise _refused(path, f"its entry {_shown(info)} is a link or no plain file")
        plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & _ENCRYPTED
        if not plain or info.compress_size != info.file_size:
            raise _refused(path, f"its entry {_shown(info)} is compressed or encrypted")
        if info.filename.endswith(_TEXTS) and info.file_size > LARGEST_TEXT:
            raise _refused(path, f"its entry {_shown(info)} is too large")
    if sum(info.file_size for info in entries) > path.stat().st_size:
        raise _refused(path, "its entries overlap")
    by_name = {info.filename: info for info in entries}
    if len(by_name) < len(entries):
        raise _refused(path, "it has two entries of one name")
    return by_name


def _read_list(path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> FileList:
    if LIST_FILE not in entries:
        raise _refused(path, f"it has no {LIST_FILE}")
    try:
        content = b"".join(_chunks(path, archive, entries[LIST_FILE]))
        values = json.loads(content)
        listed = FileList.model_validate_json(content)
        check_seal(values, path / LIST_FILE, REMEDY)
    except (ValueError, RecursionError):
        raise _refused(path, f"its {LIST_FILE} is of another version or damaged") from None
    except LrbenchError as error:
        raise RequestError(error.cause, REMEDY) from None
    compact = listed.version == 2
    named = {PACKED_FILE} if compact else listed.files.keys()
    if named != entries.keys() - {LIST_FILE} or (compact and listed.sizes.keys() != listed.files.keys()):
        raise _refused(path, f"its entries are not those that its {LIST_FILE} names")
    if len(listed.files) > MOST_ENTRIES:
        raise _refused(path, f"it has more than {MOST_ENTRIES:,} files")
    for name in sorted(listed.files):
        if not belongs(name, listed.suite):
            raise _refused(path, f'its entry "{shortened(name)}" is no file of a suite or a trial')
    if Results(Path()).suite(listed.suite).as_posix() not in listed.files:
        raise _refused(path, f"it has no record of the suite {listed.suite}")
    return listed


def _unpack_stream(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, listed: FileList, folder: Path
) -> None:
    if sum(listed.sizes.values()) > LARGEST_RATIO * info.file_size:
        raise _refused(path, "it would take far more space than the files of a suite do")
    if any(name.endswith(_TEXTS) and size > LARGEST_TEXT for name, size in listed.sizes.items()):
        raise _refused(path, "one of its records is too large")
    try:
        read_packed(_chunks(path, archive, info), listed, folder)
    except ValueError as error:
        raise _refused(path, shortened(str(error))) from None


def _unpack(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with target.open("xb") as file:
        for chunk in _chunks(path, archive, info):
            found.update(chunk)
            file.write(chunk)
    if found.hexdigest() != digest:
        raise _refused(path, f"the digest of its entry {_shown(info)} does not match")


def _chunks(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with _damage_reported(path):
        source = archive.open(info)
    with source:
        while True:
            with _damage_reported(path):
                chunk = source.read(CHUNK)
            if not chunk:
                return
            yield chunk


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: a damaged archive names an offset before its start
            raise
        raise _refused(path, _DAMAGED) from None
    except _BROKEN:
        raise _refused(path, _DAMAGED) from None


def _refused(path: Path, why: str) -> RequestError:
    return RequestError(f"{path} is no archive of lrbench that can be read: {why}.", REMEDY)


def _shown(info: zipfile.ZipInfo) -> str:
    return f'"{shortened(info.filename)}"'
