"""Where data is on this machine: the data folder, and the mirror that is tried before official addresses."""

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from lrbench.paths import absolute

__all__ = ["Folders", "find_folders"]


def find_folders(data_dir: Path | None = None) -> "Folders":
    """Return the folders to use.

    Args:
        data_dir: as given on the command line; none: ``LRBENCH_DATA``, or the user's cache folder.
    """
    chosen = data_dir or os.environ.get("LRBENCH_DATA") or user_cache_path("lrbench")
    return Folders(absolute(chosen), os.environ.get("LRBENCH_MIRROR") or None)


@dataclass(frozen=True)
class Folders:
    """The data folder and the mirror."""

    data_dir: Path
    """Everything that lrbench keeps lies below it."""

    mirror: str | None = None
    """A folder or an address; files lie below it as the ``path`` of the catalogue says."""

    @property
    def raw(self) -> Path:
        """Files as they were fetched: ``NAME/PATH``, with the path that the catalogue gives."""
        return self.data_dir / "raw"

    @property
    def prepared(self) -> Path:
        """Prepared datasets: ``NAME/SETTINGS/``."""
        return self.data_dir / "prepared"

    @property
    def own(self) -> Path:
        """Catalogue entries of files that were given on the command line."""
        return self.data_dir / "own"
