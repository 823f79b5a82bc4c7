"""Preparation: raw interactions become dense, filtered, time-ordered sequences.

The steps and their order are the same for every protocol: rating threshold, repeats, window of months,
iterated k-core. A user's interactions are ordered by time (64-bit integers in the source's own unit), then
by their order in the file. A source without times is taken to be in time order already. Users and items that
remain are numbered by their first appearance in the file.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lrbench.config.protocol import Filters
from lrbench.data.dataset import DatasetRecord, Origin, PreparedDataset, StepCounts
from lrbench.data.preparation.findings import OWN_CLOCKS, copies_note, missing_id_notes
from lrbench.data.preparation.in_pieces import count_codes, replace_codes
from lrbench.data.preparation.interactions import CodedInteractions
from lrbench.data.preparation.k_core import in_k_core
from lrbench.data.preparation.selection import select_rows
from lrbench.data.preparation.spool import Spool
from lrbench.data.preparation.window_of_months import window_rows
from lrbench.data.readers import RawInteractions
from lrbench.data.sequences import Sequences
from lrbench.errors import FilterError
from lrbench.wording import counted

__all__ = ["PREPARATION_VERSION", "fingerprint", "prepare"]

PREPARATION_VERSION = 1
"""Increased whenever the same file and settings would give other sequences than before."""

_READER_VERSIONS = {"csv": 2, "parquet": 2}
"""Increased for a reader that reads the same file differently than before; other readers have version 1."""

_NOT_IN_SEQUENCES = ("titles",)  # reader options that label items and leave the sequences as they are


def fingerprint(origin: Origin, filters: Filters) -> str:
    """Return a hash (16 hex digits) of the source's content and of every setting that shapes the sequences.

    Two preparations with the same fingerprint have the same sequences, wherever the file came from. The
    address, the dataset's name and the titles are no part of it.
    """
    settings = {
        "version": PREPARATION_VERSION,
        "content": origin.source_sha256,
        "reader": origin.reader,
        "options": {key: value for key, value in origin.options.items() if key not in _NOT_IN_SEQUENCES},
        "filters": filters.settings,
    }
    if origin.reader in _READER_VERSIONS:
        settings["reader version"] = _READER_VERSIONS[origin.reader]
    packed = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(packed.encode()).hexdigest()[:16]


def prepare(
    raw: RawInteractions, origin: Origin, filters: Filters, scratch: Path | None = None
) -> PreparedDataset:
    """Filter, number and order the interactions of a source.

    Args:
        raw: the source's rows.
        origin: where they come from.
        filters: what to leave out.
        scratch: a folder for temporary files of 48 bytes per row; ``None``: the system's folder for them.

    Raises:
        RequestError: a malformed file.
        FilterError: a rating threshold without ratings, a window without dates, or nothing left.
        OSError: the scratch folder cannot be written, or is full.
    """
    with ExitStack() as files:
        spool = raw.read_into(lambda: Spool(files, scratch))
        user_ids, item_ids = spool.take_ids()
        selected = select_rows(spool, filters, origin.name)
    rows, counts = selected.rows, selected.counts
    notes = [
        *([OWN_CLOCKS] if raw.own_clocks else []),
        *copies_note(selected.copies, spool.count),
        *missing_id_notes("user", spool.rows_of_users, user_ids),
        *missing_id_notes("item", spool.rows_of_items, item_ids),
        *selected.times.notes(),
    ]
    if filters.window is not None:
        kept, months = window_rows(rows, filters.window, filters, raw.own_clocks, origin.name)
        rows = rows.take(kept)
        counts.append(_count(months, rows))
    if filters.k_core:
        rows = rows.compacted(in_k_core(rows.users, rows.items, filters.k_core))
        counts.append(_count(f"{filters.k_core}-core", rows))
    if not len(rows.users):
        raise _nothing_left(origin.name, counts)
    sequences, users, items = _dense(rows, raw.own_clocks)
    user_ids, item_ids = user_ids.gather(users), item_ids.gather(items)
    if raw.accounts is not None:
        sequences = replace(sequences, accounts=_accounts_of(user_ids, raw.accounts))
    return PreparedDataset(
        record=DatasetRecord(
            **{**dict(origin), "notes": (*origin.notes, *notes)},
            filters=filters,
            counts=tuple(counts),
            fingerprint=fingerprint(origin, filters),
            own_clocks=raw.own_clocks,
            reading=raw.notes,
        ),
        sequences=sequences,
        user_ids=user_ids,
        item_ids=item_ids,
        titles=_titles_of(item_ids, raw.titles),
    )


def _count(step: str, rows: CodedInteractions) -> StepCounts:
    users, items = (int(np.count_nonzero(count_codes(codes))) for codes in (rows.users, rows.items))
    return StepCounts(step=step, users=users, items=items, interactions=len(rows.users))


def _nothing_left(name: str, counts: Sequence[StepCounts]) -> FilterError:
    steps = "; ".join(
        f"{count.step}: {counted(count.interactions, 'interaction')}, {counted(count.users, 'user')}, "
        f"{counted(count.items, 'item')}"
        for count in counts
    )
    return FilterError(
        f'Nothing is left of "{name}" ({steps}).',
        "Choose weaker filters, a protocol that has them, or more data.",
    )


def _dense(
    rows: CodedInteractions, own_clocks: bool
) -> tuple[Sequences, NDArray[np.int64], NDArray[np.int64]]:
    """Return sequences with dense numbers; the items of ``rows`` are renumbered in place.

    Returns:
        The sequences, and the former number of each user, (users,), and of each item, (items,).
    """
    per_user, per_item = count_codes(rows.users), count_codes(rows.items)
    users, items = np.flatnonzero(per_user), np.flatnonzero(per_item)
    numbers = np.empty(len(per_item), dtype=np.int32)
    numbers[items] = np.arange(len(items), dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum(per_user[users])])
    replace_codes(rows.items, numbers)
    sequences = Sequences(
        rows.items, offsets, rows.times, len(items), ratings=rows.ratings, own_clocks=own_clocks
    )
    return sequences, users, items


def _accounts_of(user_ids: pl.Series, accounts: pl.DataFrame) -> NDArray[np.int64]:
    """Return the account of each user, (users,), numbered in the order of their ids."""
    known = accounts.select("account", user=pl.col("user").cast(pl.String))
    found = pl.DataFrame({"user": user_ids}).join(known, on="user", how="left", maintain_order="left")
    return (found["account"].rank("dense") - 1).to_numpy().astype(np.int64)


def _titles_of(item_ids: pl.Series, titles: pl.DataFrame | None) -> pl.Series:
    """Return the title of every item, (items,); null where there is none."""
    if titles is None:
        return pl.Series("title", [None] * len(item_ids), dtype=pl.String)
    items = pl.DataFrame({"item": item_ids})
    return items.join(titles, on="item", how="left", maintain_order="left")["title"]
