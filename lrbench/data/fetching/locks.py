"""Writing below the data folder: one process at a time, and a sentence where it cannot be written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from lrbench.errors import RequestError

if TYPE_CHECKING:
    from lrbench.data.listener import Listener

__all__ = ["exclusively", "keeping"]

_HEED_INTERRUPTS = 0.2  # seconds


@contextmanager
def keeping(name: str, folder: Path) -> Iterator[None]:
    """Make a folder, in which the block keeps something of a dataset.

    Raises:
        RequestError: the folder cannot be made, or the block cannot write in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise RequestError(
            f"{name} cannot be kept in {folder}: {error.strerror or error}.",
            "Make room there and see that it may be written, or choose another folder with --data-dir.",
        ) from error


@contextmanager
def exclusively(name: str, lock_file: Path, listener: "Listener") -> Iterator[None]:
    """Hold a lock beside what the block writes: two processes never make the same of a dataset at once.

    Raises:
        RequestError: the folder of the lock cannot be made or written.
    """
    with keeping(name, lock_file.parent):
        lock = FileLock(lock_file)
        told = False
        while not lock.is_locked:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if not told:
                    listener.say(f"Another process is at work on {name}; waiting for it.")
                told = True
                listener.pause(_HEED_INTERRUPTS)
        try:
            yield
        finally:
            lock.release()
