"""Lock files. The process that holds the lock on one works on what the file stands for."""

from pathlib import Path

from filelock import FileLock

from lrbench.errors import RequestError

__all__ = ["lock_on", "refuse_folder"]


def lock_on(path: Path, timeout: float = -1) -> FileLock:
    """Return a lock, which ``with`` or ``acquire`` takes.

    Args:
        path: the lock file. It is made if it is missing.
        timeout: seconds to wait for the process that holds the lock; negative: as long as it takes.

    Raises:
        RequestError: a folder has the file's name.
    """
    refuse_folder(path)
    return FileLock(path, timeout=timeout)


def refuse_folder(path: Path) -> None:
    """Refuse a folder in the place of a lock file.

    Raises:
        RequestError: it is one.
    """
    if path.is_dir():
        raise RequestError(f"{path} is a folder, and its place is that of a lock file.", "Remove the folder.")
