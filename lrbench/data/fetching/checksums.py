"""Checksums: is a file what the catalogue says, whatever container its content lies in?

A mirror may hold the same rows gzipped, or in a zip archive that was packed again; the bytes of the container
then differ and those of the content do not. So the content has a checksum of its own, and it is also what
identifies a source in fingerprints.
"""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lrbench.data.catalogue import Source

__all__ = ["GZIP_MAGIC", "Verdict", "content_sha256", "verify"]

GZIP_MAGIC = b"\x1f\x8b"
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)  # RuntimeError: encrypted member
_CHUNK = 1 << 20


def verify(path: Path, source: Source) -> "Verdict":
    """Compare a file with what the catalogue knows of it."""
    try:
        content = content_sha256(path, source.member)
    except (*_BROKEN, KeyError) as error:
        return Verdict(_sha256(path), False, f"it cannot be read: {_reason(error)}", readable=False)
    known = source.checksum
    if not (known.file or known.content or known.git_blob):
        return Verdict(content, False, "")
    right = (
        content == known.content
        or (known.file is not None and _sha256(path) == known.file)
        or (known.git_blob is not None and _git_blob(path, source.member) == known.git_blob)
    )
    return Verdict(content, right, "" if right else _mismatch(path, source, content))


def content_sha256(path: Path, member: str) -> str:
    """Return the SHA-256 (hex) of what a reader reads.

    Args:
        path: the file.
        member: the file to read if ``path`` is a zip archive; empty: the archive itself is the content.

    Raises:
        OSError, EOFError, zipfile.BadZipFile, zlib.error, KeyError: a damaged archive or no such member.
    """
    with _content(path, member) as stream:
        return _digest(stream, hashlib.sha256())


@contextmanager
def _content(path: Path, member: str) -> "Iterator[_Stream]":
    """Open what a reader reads, decompressed on the fly."""
    if member and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
            yield stream
        return
    with path.open("rb") as plain:
        compressed = plain.read(2) == GZIP_MAGIC
        plain.seek(0)
        if not compressed:
            yield plain
            return
        with gzip.open(plain) as stream:
            yield stream


def _digest(stream: "_Stream", state: "hashlib._Hash") -> str:
    while chunk := stream.read(_CHUNK):
        state.update(chunk)
    return state.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return _digest(stream, hashlib.sha256())


def _git_blob(path: Path, member: str) -> str:
    """Return the id that git gives the content: SHA-1 of its length and its bytes."""
    with _content(path, member) as stream:
        size = sum(len(chunk) for chunk in iter(lambda: stream.read(_CHUNK), b""))
    with _content(path, member) as stream:
        return _digest(stream, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False))


def _mismatch(path: Path, source: Source, content: str) -> str:
    known = source.checksum
    if known.content:
        return f"its content has SHA-256 {content}, expected {known.content}"
    if known.file:
        return f"it has SHA-256 {_sha256(path)}, expected {known.file}"
    return f"its content is git object {_git_blob(path, source.member)}, expected {known.git_blob}"


def _reason(error: BaseException) -> str:
    return str(error).strip("'\"") or type(error).__name__


@dataclass(frozen=True)
class Verdict:
    """What came of comparing a file with the catalogue."""

    sha256: str
    """SHA-256 of the content; of the file itself where the content cannot be read."""

    verified: bool
    """Whether a known checksum matched."""

    complaint: str
    """What is wrong with the file; empty where it matched, or where no checksum is known."""

    readable: bool = True
    """Whether its content could be read at all."""


class _Stream(Protocol):
    """Something to read bytes from."""

    def read(self, size: int, /) -> bytes: ...
