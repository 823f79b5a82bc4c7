"""Where data is on this machine: the data folder, and the mirror that is tried before official addresses."""

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from lrbench.data.addresses import check_place, public_address
from lrbench.paths import absolute

__all__ = ["Folders", "find_folders"]


def find_folders(data_dir: Path | None = None) -> "Folders":
    """Return the folders to use.

    Args:
        data_dir: as given on the command line; ``None``: ``LRBENCH_DATA``, or the user's cache folder.

    Raises:
        RequestError: ``LRBENCH_MIRROR`` is neither a path nor an address of a web server.
    """
    chosen = data_dir or os.environ.get("LRBENCH_DATA") or user_cache_path("lrbench")
    mirror = os.environ.get("LRBENCH_MIRROR") or None
    if mirror is not None:
        check_place(mirror, "LRBENCH_MIRROR")
    return Folders(absolute(chosen), mirror)


@dataclass(frozen=True)
class Folders:
    """The data folder and the mirror."""

    data_dir: Path
    """All files that lrbench keeps are below it."""

    mirror: str | None = None
    """A folder or an address. Below it, a file is at the ``path`` that the catalogue gives."""

    @property
    def raw(self) -> Path:
        """Files as they were fetched: ``NAME/PATH``, with the path of the catalogue."""
        return self.data_dir / "raw"

    @property
    def prepared(self) -> Path:
        """Prepared datasets: ``NAME/SETTINGS/``."""
        return self.data_dir / "prepared"

    @property
    def user_files(self) -> Path:
        """Catalogue entries of files that were given on the command line."""
        return self.data_dir / "own"

    @property
    def shown_mirror(self) -> str:
        """The mirror without user, password and query; empty where there is none."""
        return public_address(self.mirror or "")
