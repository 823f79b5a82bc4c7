"""Files are whole or absent: written under a temporary name, then renamed. Only plain files are read."""

import errno
import glob
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO

from lrbench.errors import RequestError

__all__ = [
    "append_line",
    "check_writable",
    "errors_name",
    "folder_for",
    "new_file",
    "new_folder",
    "open_plain",
    "read_plain",
    "remove",
    "rename",
    "set_aside",
    "tidy_folder",
    "write_bytes",
    "write_text",
]


def open_plain(path: Path) -> BufferedReader:
    """Open a file for reading that another person may have made, such as one in a results folder.

    Only plain files are opened. A pipe would wait for a writer for ever, and a device may have no end.

    Raises:
        OSError: it is a folder, a pipe or a device, or cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "It is no plain file", str(path))
    return path.open("rb")


def read_plain(path: Path) -> str:
    """Return the text of a plain file; see :func:`open_plain`.

    Raises:
        OSError: it cannot be opened.
        UnicodeDecodeError: it is not UTF-8.
    """
    with open_plain(path) as file:
        return file.read().decode("utf-8")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old or the new content, never a part of it.

    Raises:
        OSError: it cannot be written. The error names ``path``.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``; see :func:`write_text`.

    A symbolic link stays: the file that it points at is replaced. A device or a pipe is written to directly,
    since no file can replace it.

    Raises:
        OSError: it cannot be written. The error names ``path``.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(path.resolve(), content)
    except OSError as error:  # the system's error may name the file that a link points at, or its folder
        raise OSError(error.errno, error.strerror, str(path)) from error


def append_line(path: Path, line: str) -> None:
    """Add a line to a file. It begins a new line after one that a killed process left without its end.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(f"{line}\n".encode())


def _replace(path: Path, content: bytes) -> None:
    with new_file(path) as file:
        file.write(content)


@contextmanager
def errors_name(path: Path, temporary: Path) -> Iterator[None]:
    """Let the system's errors within the block name ``path``, which the person knows.

    They name no file if the disk is full, and else ``temporary`` or a file below it. Errors that name another
    file are raised as they are.

    Raises:
        OSError: an error within the block.
    """
    try:
        yield
    except OSError as error:
        unnamed = error.errno is not None and error.filename is None
        if unnamed or (error.filename is not None and Path(error.filename).is_relative_to(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a temporary file beside ``path`` that becomes ``path`` when the block ends without error.

    Raises:
        OSError: it cannot be written. The error names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with errors_name(path, temporary), temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that becomes ``path`` when the block ends without error.

    An older folder is renamed aside, replaced, and only then deleted. After an error it is as it was, and the
    temporary folder is removed. Only one process at a time may make ``path``.

    Raises:
        OSError: it cannot be written. The error names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tidy_folder(path)
    temporary = _beside(path)
    aside = temporary.with_suffix(".old")
    temporary.mkdir()
    try:
        with errors_name(path, temporary):
            yield temporary
            _sync(temporary)
        if os.path.lexists(path):
            path.replace(aside)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            remove(temporary)
        tidy_folder(path)
        raise
    with suppress(OSError):
        remove(aside)


def _sync(folder: Path) -> None:
    """Write a folder and all that it holds to the disk, so that what has its name after a crash is whole."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_dir():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
        elif sys.platform != "win32":  # where no folder can be opened
            opened = os.open(path, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be used, so that a new one can take its place; return its new path.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = path.with_suffix(".unusable")
    path.replace(aside)
    return aside


def tidy_folder(path: Path) -> None:
    """Remove the leftovers beside ``path`` of processes that were killed in :func:`new_folder`.

    If a process was killed after it had renamed the old folder aside, the old folder gets its name back.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.old"):
        if not os.path.lexists(path):
            left.replace(path)
        else:
            remove(left)
    for left in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.part"):
        remove(left)


def remove(path: Path) -> None:
    """Remove a file, a folder with all that it holds, or a link, but not what a link points at.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder, also to another file system. Each of the two paths is always whole or absent.

    Raises:
        OSError: it cannot be renamed or copied. Nothing has changed then.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(source, target)


def _move_across(source: Path, target: Path) -> None:
    """Copy beside the target, put the copy into place, and only then remove the source."""
    temporary, aside = _beside(target), _beside(source).with_suffix(".old")
    try:
        if source.is_dir():
            shutil.copytree(source, temporary, symlinks=True)
        else:
            shutil.copy2(source, temporary)
        temporary.rename(target)
    except BaseException:
        with suppress(OSError):
            remove(temporary)
        raise
    source.rename(aside)
    with suppress(OSError):
        remove(aside)


@contextmanager
def folder_for(path: Path) -> Iterator[None]:
    """Make a folder, and those above it that are missing, for what the block writes there.

    Those that were made and are empty at the end are removed again: a refused request leaves nothing.

    Raises:
        OSError: it cannot be made.
    """
    missing = [place for place in (path, *path.parents) if not place.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for place in missing:
            with suppress(OSError):  # it is not empty, or was never made
                place.rmdir()


def check_writable(folder: Path) -> None:
    """Refuse a folder in which no file can be made. A folder that does not exist yet is not made here.

    A link that leads nowhere is refused: no folder can be made in its place.

    Raises:
        RequestError: the folder cannot be made, or no file can be made in it.
    """
    nearest = next(place for place in (folder, *folder.parents) if place.exists() or place.is_symlink())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise RequestError(
            f"Nothing can be written to {folder}: {nearest}: {error.strerror}.",
            "Choose another place, or make this one writable.",
        ) from error


def _beside(path: Path) -> Path:
    """Return an unused name next to ``path``.

    A file or folder of that name gets the usual permissions of the umask, unlike those of :mod:`tempfile`.
    """
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
