"""Addresses of files: what counts as one, and how one is shown without the secrets that it may hold."""

import re
from pathlib import Path
from typing import Literal

from lrbench.errors import RequestError

__all__ = ["check_place", "is_address", "path_kind", "public_address", "without_folders"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"https?://(?:[^/?#]*@)?(?![^/?#]*@)[^/?#:]", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/?#]*@")


def is_address(place: str) -> bool:
    """Tell an address (``http`` or ``https``) from a path."""
    return place.lower().startswith(("http://", "https://"))


def check_place(place: str, option: str) -> None:
    """Refuse what is neither a path nor an address that files can be fetched from.

    Args:
        place: as the person wrote it.
        option: where they wrote it, for the message.

    Raises:
        RequestError: it is empty, of another scheme than ``http`` and ``https``, or names no host.
    """
    if not place.strip():
        raise RequestError(f"{option} is empty.", "Give a file, a folder or an address.")
    if _SCHEME.match(place) and not _HOST.match(place):
        raise RequestError(
            f'{option}: nothing can be fetched from "{public_address(place)}".',
            "Give a path, or an address of the form http://HOST/… or https://HOST/….",
        )


def path_kind(path: Path) -> Literal["file", "folder", "nothing"]:
    """Tell what is at a path. A name that is too long for the system is nothing."""
    try:
        if path.is_dir():
            return "folder"
        return "file" if path.is_file() else "nothing"
    except OSError:
        return "nothing"


def public_address(place: str) -> str:
    """Return an address without user, password, query and fragment, which may be secrets.

    A path is returned as it is: it may hold ``@``, ``?`` and ``#``.
    """
    if not _SCHEME.match(place):
        return place
    return re.split(r"[?#]", _USER.sub("", place), maxsplit=1)[0]


def without_folders(place: str) -> str:
    """Return an address as it is, and of a path the last name. Its folders tell other readers nothing."""
    return place if _SCHEME.match(place) else re.split(r"[/\\]", place)[-1]
