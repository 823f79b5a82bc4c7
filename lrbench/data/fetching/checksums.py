"""Checksums: whether a file is what the catalogue says, plain, compressed or in an archive.

A mirror may hold the same rows gzipped, or in a zip archive that was packed again. Then the bytes of the file
differ, and those of its content do not. The content therefore has a checksum of its own. It also identifies a
source in fingerprints.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lrbench.data.catalogue import Source
from lrbench.data.readers.archive import RawFile, open_raw, plain_file
from lrbench.errors import RequestError

__all__ = ["ChecksumResult", "content_sha256", "verify_checksum"]


def verify_checksum(path: Path, source: Source, name: str = "") -> "ChecksumResult":
    """Compare a file with the checksums that the catalogue gives for it.

    Args:
        path: the file.
        source: its catalogue entry.
        name: what a complaint calls the file; empty: its own name.
    """
    try:
        content = content_sha256(path, source.member)
    except RequestError as error:
        reason = error.cause.replace(path.name, name or path.name).rstrip(".")
        return ChecksumResult(_sha256(path), False, f"it cannot be read: {reason}", readable=False)
    known = source.checksum
    if not known.known:
        return ChecksumResult(content, False, "")
    right = (
        content == known.content
        or (known.file is not None and _sha256(path) == known.file)
        or (known.git_blob is not None and _git_blob(path, source.member) == known.git_blob)
    )
    return ChecksumResult(content, right, "" if right else _mismatch(path, source, content))


def content_sha256(path: Path, member: str) -> str:
    """Return the SHA-256 (hex) of what a reader reads.

    Args:
        path: the file.
        member: the file to read if ``path`` is a zip archive; empty: the archive itself is the content.

    Raises:
        RequestError: a damaged archive, or no such member.
    """
    return _digest(_content(path, member).chunks(), hashlib.sha256())


def _content(path: Path, member: str) -> RawFile:
    """Return what a reader reads: the member of a zip archive if one is named, otherwise the file."""
    return open_raw(path, member) if member else plain_file(path)


def _digest(chunks: Iterable[bytes], state: "hashlib._Hash") -> str:
    for chunk in chunks:
        state.update(chunk)
    return state.hexdigest()


def _sha256(path: Path) -> str:
    """Return the SHA-256 of the file as it is on disk."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _git_blob(path: Path, member: str) -> str:
    """Return the id that git gives the content: SHA-1 of its length and its bytes."""
    content = _content(path, member)
    size = sum(len(chunk) for chunk in content.chunks())
    return _digest(content.chunks(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False))


def _mismatch(path: Path, source: Source, content: str) -> str:
    known = source.checksum
    if known.content:
        return f"its content has SHA-256 {content}, expected {known.content}"
    if known.file:
        return f"it has SHA-256 {_sha256(path)}, expected {known.file}"
    return f"its content is git object {_git_blob(path, source.member)}, expected {known.git_blob}"


@dataclass(frozen=True)
class ChecksumResult:
    """The result of comparing a file with the catalogue."""

    sha256: str
    """SHA-256 of the content; of the file itself if the content cannot be read."""

    verified: bool
    """Whether a known checksum matched."""

    complaint: str
    """What is wrong with the file; empty if it matches, or if no checksum is known."""

    readable: bool = True
    """Whether its content could be read at all."""
