"""Raw files as they lie on disk: plain, gzipped, or a member of a zip archive; nothing is unpacked to disk.

What stays lazy: plain and gzipped files are handed to Polars by path, which scans them in chunks. What does
not: a zip member is inflated into memory first, since its bytes cannot be read at random; MovieLens 32M,
the largest of the zips, takes about 0.9 GB.
"""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from lrbench.errors import RequestError, did_you_mean

__all__ = ["RawFile", "open_raw"]

_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)  # RuntimeError: encrypted member


def open_raw(path: Path, member: str) -> "RawFile":
    """Find the file to read: ``path`` itself, or the ``member`` of it when it is a zip archive.

    Args:
        path: the file at hand; its form is recognised by its content, not by its name.
        member: path inside a zip, or only its last part where it is unique; empty: the only file.

    Raises:
        RequestError: no such file, or no such member.
    """
    if not path.is_file():
        raise RequestError(f"There is no file {path}.", "Check the path, or fetch the dataset.")
    with path.open("rb") as stream:
        if stream.read(len(_ZIP_MAGIC)) != _ZIP_MAGIC:
            return RawFile(path, None)
    with _reporting_damage(path.name), zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    found = [name for name in names if not member or name == member or name.endswith(f"/{member}")]
    if len(found) != 1:
        which = f'files called "{member}"' if member else "files"
        raise RequestError(
            f"{path.name} is an archive that holds {len(found)} {which}.",
            did_you_mean(member, names) if member else 'Say which one with the option "member".',
        )
    return RawFile(path, found[0])


@contextmanager
def _reporting_damage(name: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise RequestError(f"{name} is damaged: {error}.", "Fetch it again.") from error


@dataclass(frozen=True)
class RawFile:
    """One readable file."""

    path: Path
    member: str | None
    """Its path inside the zip archive; none where ``path`` is the file."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.path.name} ({self.member})" if self.member else self.path.name

    def scannable(self) -> Path | bytes:
        """Return what Polars can scan: a path (plain or gzip), or a zip member's bytes."""
        return self.load() if self.member else self.path

    def load(self) -> bytes:
        """Return the whole content, decompressed.

        Raises:
            RequestError: the file is damaged.
        """
        with _reporting_damage(self.name), ExitStack() as stack:
            return self._open(stack).read()

    def lines(self) -> Iterator[bytes]:
        """Iterate over the lines, decompressed, without loading the file.

        Raises:
            RequestError: the file is damaged.
        """
        with _reporting_damage(self.name), ExitStack() as stack:
            yield from self._open(stack)

    def _open(self, stack: ExitStack) -> IO[bytes]:
        if self.member:
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            return stack.enter_context(archive.open(self.member))
        stream = stack.enter_context(self.path.open("rb"))
        compressed = stream.peek(2).startswith(_GZIP_MAGIC)
        return cast(IO[bytes], stack.enter_context(gzip.open(stream))) if compressed else stream

    def beside(self, name: str) -> "RawFile | None":
        """Return the file ``name`` of the same folder (of the archive or on disk), or none."""
        if self.member is None:
            neighbour = self.path.with_name(name)
            return RawFile(neighbour, None) if neighbour.is_file() else None
        member = str(PurePosixPath(self.member).with_name(name))
        with zipfile.ZipFile(self.path) as archive:
            return RawFile(self.path, member) if member in archive.namelist() else None
