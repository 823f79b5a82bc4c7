"""The form of an archive: a suite's record and everything that its report needs, in one zip file.

The report needs the finished trials, what was ranked after them, and the searches for settings.

The entries are stored, not compressed, since Parquet and weights are compressed already. So an archive never
unpacks to more than its own size, and its bytes depend only on its content. In the compact form, one entry
is a compressed stream of all files, see :mod:`lrbench.store.packed_archive`.
"""

import re
import zipfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lrbench.bounds import MOST_TRIALS
from lrbench.config.base import FrozenConfig, Name
from lrbench.store.layout import (
    EVALUATION_FILE,
    HISTORY_FILE,
    LOG_FILE,
    RANKS_FILE,
    RECORD_FILE,
    WEIGHTS_FILE,
    Results,
)

__all__ = [
    "CHUNK",
    "EVALUATION_FILES",
    "LARGEST_TEXT",
    "LIST_FILE",
    "MOST_ENTRIES",
    "PACKED_FILE",
    "TRIAL_FILES",
    "ArchiveForm",
    "FileList",
    "belongs",
    "entry",
    "trial_of",
]

ArchiveForm = Literal["plain", "compact", "brief"]
"""How an archive stores its files. ``plain``: as they are. ``compact``: in one compressed stream, two to four
times smaller, which takes minutes instead of seconds. ``brief``: as compact, without the ranks that no table
of the report needs, see :mod:`lrbench.store.brief_ranks`."""

LIST_FILE = "archive.json"
PACKED_FILE = "content.xz"
TRIAL_FILES = (RECORD_FILE, RANKS_FILE, HISTORY_FILE, LOG_FILE, WEIGHTS_FILE)
EVALUATION_FILES = (EVALUATION_FILE, RANKS_FILE)
CHUNK = 1 << 20
"""Bytes that are read at once."""

LARGEST_TEXT = 64 << 20
"""Most bytes of a file that is read into memory whole; a trial's record has about 10,000."""

MOST_ENTRIES = (len(TRIAL_FILES) + len(EVALUATION_FILES) + 1) * MOST_TRIALS + 3
"""Most entries of an archive. A trial has its files, those of a later evaluation, and one search at most. The
other three are the list, the suite's record and its looks."""

_ID = "[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
_TRIAL = re.compile(rf"trials/({_ID})/([a-z.]+)", re.ASCII)
_EVALUATION = re.compile(rf"evaluations/{_ID}/([a-z.]+)", re.ASCII)
_SEARCH = re.compile(rf"searches/{_ID}\.json", re.ASCII)


class FileList(FrozenConfig):
    """The content of ``archive.json``, the first entry."""

    format: Literal["lrbench-archive"] = "lrbench-archive"
    version: Literal[1, 2] = 1
    """1: the plain form. 2: the compact form."""

    suite: Name
    files: dict[str, str]
    """Path below the results folder → SHA-256 of the file, or of the packed form of a table."""

    sizes: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Compact form: path → bytes of the file in the stream, in the order of the stream."""

    tables: tuple[str, ...] = ()
    """Compact form: files that are packed tables."""

    polars: str = ""
    """Compact form: the version of Polars that wrote the tables."""

    digest: str = ""
    """SHA-256 of all other fields, see :mod:`lrbench.store.seal`."""


def entry(name: str, size: int) -> zipfile.ZipInfo:
    """Return the header of a zip entry. It is the same on every machine and at any time."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o100644 << 16  # a plain file as on Unix
    info.compress_type, info.file_size = zipfile.ZIP_STORED, size
    return info


def trial_of(name: str) -> str | None:
    """Return the id of the trial whose file an entry is; ``None`` if it is no trial's file."""
    found = _TRIAL.fullmatch(name)
    return found[1] if found and found[2] in TRIAL_FILES else None


def belongs(name: str, suite: str) -> bool:
    """Whether an entry is a file that an archive of the suite may hold."""
    below = Results(Path())
    if name in (below.suite(suite).as_posix(), below.looks(suite).as_posix()):
        return True
    evaluation = _EVALUATION.fullmatch(name)
    if evaluation is not None:
        return evaluation[1] in EVALUATION_FILES
    return trial_of(name) is not None or _SEARCH.fullmatch(name) is not None
