"""The candidates for a dataset's file: where it may be, in the order in which they are tried.

The mirror comes first, for every form of the dataset in order of preference. The official addresses of each
form follow. A mirror therefore gives the same form with and without a network. A file that a user gives with
``--from`` replaces all of these (``from_option.py``).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrbench.data.addresses import is_address, public_address
from lrbench.data.catalogue import Source
from lrbench.paths import expanded

__all__ = ["Candidate", "in_folder", "in_mirror", "usual_candidates"]

_NAME = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
"""The end of an address that can be the name of a file on every system."""


@dataclass(frozen=True)
class Candidate:
    """A place that may have the file in one of its forms."""

    source: Source

    address: str
    """A local path, or a complete address, with user and password if it has them."""

    @property
    def shown(self) -> str:
        """The address as it is stored and shown: without user, password and query."""
        return public_address(self.address)

    @property
    def name(self) -> str:
        """The name of the file there; the catalogue's, if an address ends in none that a file may have."""
        if not is_address(self.address):
            return Path(self.address).name
        last = self.shown.rpartition("/")[2]
        return last if _NAME.fullmatch(last) else self.source.file_name


def usual_candidates(sources: Sequence[Source], mirror: str | None) -> list[Candidate]:
    """Return where the mirror (a folder or an address) and the catalogue have the file."""
    mirrored = [found for source in sources for found in in_mirror(source, mirror)] if mirror else []
    return [*mirrored, *(Candidate(source, url) for source in sources for url in source.urls)]


def in_folder(folder: Path, path: str) -> Path | None:
    """Return the file at ``path`` below a folder, with ``.gz`` or without."""
    return next((folder / name for name in _spellings(path) if (folder / name).is_file()), None)


def _spellings(path: str) -> tuple[str, str]:
    """Return the path as it is, then the other spelling: without ``.gz``, or with it."""
    stem = path.removesuffix(".gz")
    return path, stem if stem != path else f"{path}.gz"


def in_mirror(source: Source, mirror: str) -> Iterator[Candidate]:
    """Yield where a mirror may have the file, with ``.gz`` and without."""
    if is_address(mirror):
        yield from (Candidate(source, f"{mirror.rstrip('/')}/{path}") for path in _spellings(source.path))
        return
    folder = expanded(mirror)
    yield Candidate(source, str(in_folder(folder, source.path) or folder / source.path))
