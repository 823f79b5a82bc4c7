"""Paths that people give: a home that is not there and a circle of links are sentences."""

import os
from pathlib import Path

from lrbench.errors import RequestError

__all__ = ["absolute", "check_folder", "expanded", "expanded_text"]


def expanded(path: Path | str) -> Path:
    """Return the path that a person means: ``~`` is a home folder unless something here has that name.

    Raises:
        RequestError: ``~NAME`` is nobody's home.
    """
    first = Path(path).parts[:1]
    try:
        return Path(path) if first and os.path.lexists(first[0]) else Path(path).expanduser()
    except RuntimeError:
        raise RequestError(
            f"{path} leads nowhere: there is no such home folder.", "Give another path."
        ) from None


def expanded_text(text: str) -> str:
    """Return what may be a name or a path, with its ``~`` replaced as :func:`expanded` does.

    Raises:
        RequestError: ``~NAME`` is nobody's home.
    """
    return str(expanded(text)) if text.startswith("~") else text


def absolute(path: Path | str) -> Path:
    """Return the path with ``~`` replaced and links followed; nothing need be there.

    Raises:
        RequestError: ``~NAME`` is nobody's home, or symbolic links go round in a circle.
    """
    try:
        return expanded(path).resolve()
    except RuntimeError:  # from Python 3.13 on a circle of links is no error here
        raise RequestError(
            f"{path} leads nowhere: its links go round in a circle.", "Give another path."
        ) from None


def check_folder(path: Path) -> None:
    """Refuse a path that cannot be a folder; one that is not there yet is right.

    Raises:
        RequestError: it is a file or goes through one, its name is too long, or its links go in a circle.
    """
    try:
        is_folder = path.is_dir() or not path.lstat()
    except (FileNotFoundError, PermissionError):  # who makes, reads or writes it says what the system says
        return
    except OSError as error:
        raise RequestError(f"{path} cannot be a folder: {error.strerror}.", "Give another path.") from None
    if not is_folder:
        raise RequestError(f"{path} is not a folder.", "Give the path of a folder.")
