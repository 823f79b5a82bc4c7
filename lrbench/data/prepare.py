"""Preparation: raw interactions become dense, filtered, time-ordered sequences.

The steps and their order are part of every protocol: rating threshold, repeats, iterated k-core. Users
and items are numbered by their first appearance in the source file among those that remain. A user's
interactions are ordered by time (64-bit integers, in the source's own unit), then by their order in the
file; a source without times is taken to be in order already.

Everything after the file is read works on integer codes in numpy: one stable sort by a packed 64-bit key
(user, time), hash lookups for repeats, ``bincount`` peeling for the k-core.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lrbench.config.protocol import Filters
from lrbench.data.prepared import PreparedDataset
from lrbench.data.readers import RawInteractions

__all__ = ["PREPARATION_VERSION", "Origin", "fingerprint", "prepare"]

PREPARATION_VERSION = 1
"""Raised whenever the same file and settings would give other sequences than before."""

_NOT_IN_SEQUENCES = ("titles",)
"""Reader options that label items and leave the sequences as they are."""


def fingerprint(origin: "Origin", filters: Filters) -> str:
    """Return a hash (16 hex digits) of the source's content and of every setting that shapes the result.

    Two preparations with the same fingerprint have the same sequences, wherever the file came from. The
    address, the name and the titles are no part of it.
    """
    settings = {
        "version": PREPARATION_VERSION,
        "content": origin.source_sha256,
        "reader": origin.reader,
        "options": {key: value for key, value in origin.options.items() if key not in _NOT_IN_SEQUENCES},
        "filters": filters.model_dump(),
    }
    packed = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(packed.encode()).hexdigest()[:16]


def prepare(raw: RawInteractions, origin: "Origin", filters: Filters) -> PreparedDataset:
    """Filter, number and order the interactions of a source.

    Raises:
        RequestError: a malformed file, a rating threshold where there are no ratings, or nothing left.
    """
    raise NotImplementedError


@dataclass(frozen=True)
class Origin:
    """Where a dataset's rows come from: what ``dataset.json`` says of it beside its sizes."""

    name: str
    """The true dataset name, with its edition."""

    edition: str
    """What the name stands for, in a sentence."""

    source: str
    """The address or file that was used, and its form."""

    source_sha256: str
    """SHA-256 of the source's content (after gunzip)."""

    reader: str
    """A name of ``lrbench.data.readers.READERS``."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """The reader's options."""

    synthetic: bool = False
    """Whether the data was generated."""

    verified: bool = False
    """Whether the checksum was compared with a known one."""

    notes: tuple[str, ...] = ()
    """What a reader of results must know."""
