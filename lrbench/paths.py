"""Paths that people give. A wrong one ends in a sentence, not in a traceback."""

import os
from pathlib import Path

from lrbench.errors import RequestError
from lrbench.text import encodable

__all__ = ["absolute", "check_folder", "expanded", "expanded_text"]


def expanded(path: Path | str, here: Path = Path()) -> Path:
    """Return a path with ``~`` replaced by a home folder, unless something has that very name.

    Args:
        path: as a person gave it.
        here: the folder in which that something may be.

    Raises:
        RequestError: ``~NAME`` is the home folder of nobody.
    """
    first = Path(path).parts[:1]
    try:
        return Path(path) if first and os.path.lexists(here / first[0]) else Path(path).expanduser()
    except RuntimeError:
        raise RequestError(
            f"{path} leads nowhere: there is no such home folder.", "Give another path."
        ) from None


def expanded_text(text: str) -> str:
    """Return text that may be a name or a path, with ``~`` replaced as :func:`expanded` does.

    Raises:
        RequestError: ``~NAME`` is the home folder of nobody.
    """
    return str(expanded(text)) if text.startswith("~") else text


def absolute(path: Path | str) -> Path:
    """Return the absolute path with ``~`` replaced and symbolic links followed. It need not exist.

    Raises:
        RequestError: ``~NAME`` is the home folder of nobody, or symbolic links form a circle.
    """
    try:
        return expanded(path).resolve()
    except RuntimeError:  # since Python 3.13 a circle of links raises nothing here
        raise RequestError(
            f"{path} leads nowhere: its links go round in a circle.", "Give another path."
        ) from None


def check_folder(path: Path) -> None:
    """Refuse a path that cannot be a folder. A path that does not exist yet is accepted.

    Raises:
        RequestError: it is a file or goes through one, its name is too long, its links form a circle, or a
            name is no UTF-8. Records and messages between processes could not hold it.
    """
    whole = str(path.absolute())
    if encodable(whole) != whole:
        raise RequestError(
            f"The path {encodable(whole)} is not valid UTF-8.",
            "Rename the folder, or give another path.",
        )
    try:
        is_folder = path.is_dir() or not path.lstat()
    except (FileNotFoundError, PermissionError):  # the code that makes or reads it reports the reason
        return
    except OSError as error:
        raise RequestError(f"{path} cannot be a folder: {error.strerror}.", "Give another path.") from None
    if not is_folder:
        raise RequestError(f"{path} is not a folder.", "Give the path of a folder.")
