"""Writing below the data folder: one process at a time, with a clear error if it cannot be written."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from lrbench.errors import RequestError
from lrbench.files import folder_for
from lrbench.lock_files import lock_on

if TYPE_CHECKING:
    from lrbench.data.listener import Listener

__all__ = ["locked", "writing_below"]

_HEED_INTERRUPTS = 0.2  # seconds


@contextmanager
def writing_below(folder: Path, name: str) -> Iterator[None]:
    """Make a folder into which the block writes something of the dataset ``name``; see :func:`folder_for`.

    Raises:
        RequestError: the folder cannot be made, or the block cannot write in it.
    """
    try:
        with folder_for(folder):
            yield
    except OSError as error:
        raise RequestError(
            f"{name} cannot be kept in {folder}: {error.strerror or error}.",
            "Make room there and see that it may be written, or choose another folder with --data-dir.",
        ) from error


@contextmanager
def locked(lock_file: Path, name: str, listener: "Listener") -> Iterator[None]:
    """Hold a lock file while the block writes, so that two processes never make the same file at once.

    The file stays for later processes. After an error it is removed, if it was not there before.

    Raises:
        RequestError: the folder of the lock cannot be made or written.
    """
    with writing_below(lock_file.parent, name):
        lock, was_there, told = lock_on(lock_file), lock_file.exists(), False
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
        except BaseException:
            if not was_there:
                with suppress(OSError):  # Windows keeps a file that is open
                    lock_file.unlink()
            raise
        finally:
            lock.release()
