"""Paths that people give, made absolute; a home that is not there and a circle of links are sentences."""

from pathlib import Path

from lrbench.errors import RequestError

__all__ = ["absolute", "check_folder"]


def absolute(path: Path | str) -> Path:
    """Return the path with ``~`` replaced and links followed; nothing need be there.

    Raises:
        RequestError: ``~NAME`` is nobody's home, or symbolic links go round in a circle.
    """
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, OSError) as error:  # Python 3.13 raises no error for a circle
        raise RequestError(f"{path} leads nowhere: {_reason(error)}.", "Give another path.") from None


def check_folder(path: Path) -> None:
    """Refuse a path that is no folder; one that is not there yet can become one.

    Raises:
        RequestError: it is a file or goes through one, its name is too long, or its links go in a circle.
    """
    place = Path(path).expanduser() if str(path).startswith("~") and absolute(path) else path
    try:
        is_folder = place.stat() and place.is_dir()
    except FileNotFoundError:
        return
    except PermissionError:
        return  # who reads or writes there says so
    except OSError as error:
        raise RequestError(f"{path} cannot be a folder: {error.strerror}.", "Give another path.") from None
    if not is_folder:
        raise RequestError(f"{path} is not a folder.", "Give the path of a folder.")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    return "its links go round in a circle" if "loop" in str(error) else "there is no such home folder"
