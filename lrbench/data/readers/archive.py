"""Raw files as they are on disk: plain, compressed, or a member of a zip archive. Nothing is unpacked there.

The form is recognised by the first bytes, whatever the name. gzip, bzip2 and xz are decompressed on the fly.
A file whose content is far larger than text ever compresses to is refused before it fills the memory.
"""

import bz2
import gzip
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from lrbench.data.readers.streams import Streams
from lrbench.errors import RequestError, did_you_mean
from lrbench.wording import some_of

__all__ = ["BROKEN", "RawFile", "open_raw", "plain_file"]

BROKEN = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    RuntimeError,  # an encrypted member, or a compression that Python does not know
    ValueError,
    IndexError,
    OverflowError,
)
"""What Python's decompressors raise when a file is damaged."""

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_TAR = slice(257, 262), b"ustar"
"""The place and the value of the bytes that mark a tar archive."""

PARQUET_MAGIC = b"PAR1"
_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    GZIP_MAGIC: gzip.open,
    b"BZh": partial(Streams, begin=bz2.BZ2Decompressor),
    b"\xfd7zXZ\x00": partial(Streams, begin=lzma.LZMADecompressor),
}
_UNREADABLE = {
    b"\x28\xb5\x2f\xfd": "is compressed with zstd",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive",
    b"Rar!": "is a RAR archive",
    b"ARROW1": "is an Arrow (Feather) file",
    b"\x89HDF": "is an HDF5 file",
    b"SQLite format 3": "is an SQLite database",
    b"\xd0\xcf\x11\xe0": "is an Office document",
}
_TABLES = (".csv", ".tsv", ".tab", ".inter", ".json", ".jsonl", ".parquet", ".pq", ".dat", ".data")
_CHUNK = 1 << 20
_FREE = 64 << 20  # bytes of content that any compressed file may have
_RATIO = 200  # beyond that, bytes of content per byte of the file; text seldom reaches 30
_IN_MEMORY = 8 << 30
_LONGEST_FIRST_LINE = 1 << 20


def open_raw(path: Path, member: str) -> "RawFile":
    """Find the file to read: ``path`` itself, or its ``member`` if it is a zip archive.

    Args:
        path: the file on disk.
        member: a path in the archive, or only the last part of one if that is unique. Empty: the only file,
            or the only one whose name ends as those of tables do (``.csv``, ``.parquet``, …).

    Raises:
        RequestError: no such file, no such member, or a form that no reader knows.
    """
    file = plain_file(path)
    head = file.head()
    kind = next((kind for magic, kind in _UNREADABLE.items() if head.startswith(magic)), None)
    if kind is not None:
        raise RequestError(f"{path.name} {kind}.", "Save it as plain text, CSV or Parquet.")
    if file.holds_tar():
        raise RequestError(f"{path.name} is a tar archive.", "Unpack it, and give the file of the table.")
    if not head.startswith((ZIP_MAGIC, _EMPTY_ZIP)):
        return file
    with reporting_damage(path.name), zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not _is_litter(entry.filename)]
    names = [entry.filename for entry in entries]
    if "xl/workbook.xml" in names:
        raise RequestError(f"{path.name} is an Excel workbook.", "Save its sheet as CSV.")
    if not names:
        raise RequestError(f"{path.name} is an archive without files.", "Check that it is the right file.")
    found = _find_member(path.name, names, member)
    if any(entry.filename == found and stat.S_ISLNK(entry.external_attr >> 16) for entry in entries):
        raise RequestError(
            f"{path.name} holds {found} as a link, not as a file.", "Pack the file that it leads to."
        )
    return RawFile(path, found)


def plain_file(path: Path) -> "RawFile":
    """Return the file itself, whatever its form.

    Raises:
        RequestError: there is no such file.
    """
    if not path.is_file():
        raise RequestError(f"There is no file {path}.", "Check the path, or fetch the dataset.")
    return RawFile(path, None)


def _is_litter(name: str) -> bool:
    """Tell whether an entry is a folder, a hidden file or what macOS adds to archives."""
    parts = PurePosixPath(name).parts
    return name.endswith("/") or "__MACOSX" in parts or bool(parts and parts[-1].startswith("."))


def _find_member(archive: str, names: Sequence[str], member: str) -> str:
    """Return the one name that is meant.

    An archive that was packed again may have another folder, or none. Then the last part of ``member`` is
    enough if it is unique.
    """
    if member:
        last = PurePosixPath(member).name
        ways = [
            [name for name in names if name == member],
            [name for name in names if name.endswith(f"/{member}")],
            [name for name in names if PurePosixPath(name).name == last],
        ]
    else:
        ways = [[*names]] if len(names) == 1 else [[name for name in names if name.lower().endswith(_TABLES)]]
    found = next((way for way in ways if way), [])
    if len(found) == 1:
        return found[0]
    if found and len(set(found)) == 1:
        raise RequestError(
            f"{archive} holds {len(found)} files called {found[0]}.", "Pack the right one alone."
        )
    which = f'files called "{member}"' if member else "files"
    choose = f'Say which one with the option "member". It has {some_of(names)}.'
    raise RequestError(
        f"{archive} is an archive that holds {len(found if member else names)} {which}.",
        did_you_mean(member, names) if member else choose,
    )


@contextmanager
def reporting_damage(name: str) -> Iterator[None]:
    """Turn what decompressors raise into a ``RequestError`` that names the file."""
    try:
        yield
    except BROKEN as error:
        raise RequestError(
            f"{name} is damaged: {error or type(error).__name__}.", "Fetch it again."
        ) from error


@dataclass(frozen=True)
class RawFile:
    """A file, or a member of a zip archive."""

    path: Path
    member: str | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.path.name} ({self.member})" if self.member else self.path.name

    def head(self) -> bytes:
        """Return the first bytes as they are on disk. For a member: as they are in the archive."""
        with reporting_damage(self.name), ExitStack() as stack:
            start: bytes = self._stored(stack).read(32)
            return start

    def holds_tar(self) -> bool:
        """Tell whether the content is a tar archive."""
        place, magic = _TAR
        with reporting_damage(self.name), ExitStack() as stack:
            return self.open(stack).read(place.stop)[place] == magic

    def is_plain(self) -> bool:
        """Tell whether the file is neither compressed nor a member of an archive."""
        return self.member is None and not self.head().startswith(tuple(_OPENERS))

    def is_plain_or_gzip(self) -> bool:
        """Tell whether Polars can scan text from the path itself."""
        return self.is_plain() or (self.member is None and self.head().startswith(GZIP_MAGIC))

    def load(self) -> bytes:
        """Return the whole content, decompressed.

        Raises:
            RequestError: the file is damaged or too large.
        """
        content = bytearray()
        for chunk in self.chunks():
            content += chunk
            if len(content) > _IN_MEMORY:
                raise RequestError(
                    f"{self.name} holds more than {_IN_MEMORY >> 30} GB.",
                    "Decompress it, and give the plain file.",
                )
        return bytes(content)

    def chunks(self) -> Iterator[bytes]:
        """Iterate over the content in pieces of at most 1 MiB, decompressed.

        Raises:
            RequestError: the file is damaged or too large.
        """
        with reporting_damage(self.name), ExitStack() as stack:
            stream = self.open(stack)
            while chunk := stream.read(_CHUNK):
                yield chunk

    def lines(self) -> Iterator[bytes]:
        """Iterate over the lines, decompressed, without loading the file.

        Raises:
            RequestError: the file is damaged or too large.
        """
        with reporting_damage(self.name), ExitStack() as stack:
            yield from self.open(stack)

    def start(self) -> bytes:
        """Return the first megabyte of the content, decompressed, or all of it if there is less."""
        with reporting_damage(self.name), ExitStack() as stack:
            return self.open(stack).read(_LONGEST_FIRST_LINE)

    def open(self, stack: ExitStack) -> IO[bytes]:
        """Open the content, decompressed; ``stack`` closes it."""
        stored: Any = self._stored(stack)
        opener = next(
            (opener for magic, opener in _OPENERS.items() if stored.peek(6).startswith(magic)), None
        )
        if opener is None and self.member is None:
            return cast(IO[bytes], stored)
        content = stored if opener is None else stack.enter_context(opener(stored))
        return cast(IO[bytes], io.BufferedReader(_Bounded(content, self.name, self._stored_size()), _CHUNK))

    def _stored(self, stack: ExitStack) -> Any:
        if self.member is None:
            return stack.enter_context(self.path.open("rb"))
        archive = stack.enter_context(zipfile.ZipFile(self.path))
        return stack.enter_context(archive.open(self.member))

    def _stored_size(self) -> int:
        """Return how many bytes the content takes on disk.

        A zip archive may overstate that of a member, so it is at most the size of the archive.
        """
        whole = self.path.stat().st_size
        if self.member is None:
            return whole
        with zipfile.ZipFile(self.path) as archive:
            return min(whole, archive.getinfo(self.member).compress_size)

    def beside(self, name: str) -> "RawFile | None":
        """Return the file ``name`` in the same folder (in the archive or on disk), or ``None``."""
        if self.member is None:
            neighbour = self.path.with_name(name)
            return RawFile(neighbour, None) if neighbour.is_file() else None
        member = str(PurePosixPath(self.member).with_name(name))
        with zipfile.ZipFile(self.path) as archive:
            return RawFile(self.path, member) if member in archive.namelist() else None


class _Bounded(io.RawIOBase):
    """Decompressed content. Reading fails once it is far larger than its compressed bytes."""

    def __init__(self, content: IO[bytes], name: str, stored: int) -> None:
        self._content = content
        self._name = name
        self._allowed = max(_FREE, _RATIO * stored)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._content.read(len(buffer))
        self._read += len(piece)
        if self._read > self._allowed:
            raise RequestError(
                f"{self._name} decompresses to more than {self._allowed >> 20:,} MB, "
                f"over {_RATIO} times its own size.",
                "No table of interactions does that. If the file is right, decompress it, and give the plain "
                "file.",
            )
        buffer[: len(piece)] = piece
        return len(piece)
