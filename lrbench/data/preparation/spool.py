"""Rows of a source on disk while preparation numbers and orders them, so that memory does not hold them all.

The files have no names. The operating system removes them when the process ends, however it ends.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import polars as pl

from lrbench.arrays import Int32s, Int64s
from lrbench.data.preparation.interactions import CodedInteractions, time_order

__all__ = ["Spool"]

_ROW = np.dtype([("time", np.int64), ("rating", np.float64), ("user", np.int32), ("item", np.int32)])
_READ_AT_ONCE = 1 << 20  # rows
_SORTED_AT_ONCE = 1 << 21  # rows


class Spool:
    """Receives the tables of ``RawInteractions.read_into``, and gives the rows back in the order of users.

    Users and items are numbered by first appearance.

    Args:
        files: closes the files, which removes them.
        folder: where the files are; ``None``: the system's folder for temporary files.
    """

    def __init__(self, files: ExitStack, folder: Path | None) -> None:
        self._files = files
        self._folder = folder
        self._rows = self._new_file()
        self._users, self._items = _Numbers(), _Numbers()
        self.count = 0
        """How many rows there are."""
        self.has_times = True
        """Whether every row has a time."""
        self.has_ratings = True
        """Whether every row has a rating."""

    def take(self, table: pl.DataFrame) -> None:
        """Add rows with the columns ``COLUMNS``, ids as categories."""
        rows = np.empty(len(table), dtype=_ROW)
        rows["user"] = self._users.of(table["user"])
        rows["item"] = self._items.of(table["item"])
        rows["time"] = table["time"].fill_null(0).to_numpy()
        rows["rating"] = table["rating"].fill_null(np.nan).to_numpy()
        self.has_times &= not table["time"].null_count()
        self.has_ratings &= not table["rating"].null_count()
        self.count += len(rows)
        self._rows.write(rows.tobytes())

    @property
    def rows_of_users(self) -> Int64s:
        """How many rows each user has, (users,)."""
        return self._users.rows

    @property
    def rows_of_items(self) -> Int64s:
        """How many rows each item has, (items,)."""
        return self._items.rows

    def take_ids(self) -> tuple[pl.Series, pl.Series]:
        """Return the id of each user, (users,), and of each item, (items,), and forget them.

        Call it when there are no more rows. It frees memory for the rows: ids as text take half of the memory
        that numbering them took.
        """
        return self._users.take_ids(), self._items.take_ids()

    def in_order(self) -> Iterator[CodedInteractions]:
        """Yield all rows by user, then by time, then by their order in the file, in several parts.

        Each part holds whole users. Missing ratings are NaN.
        """
        per_user = self.rows_of_users
        part_of = ((np.cumsum(per_user) - per_user) // _SORTED_AT_ONCE).astype(np.uint16)  # (users,)
        parts = [self._new_file() for _ in range(int(part_of.max(initial=0)) + 1)]
        self._rows.seek(0)
        while len(rows := _read(self._rows, _READ_AT_ONCE)):
            part = part_of[rows["user"]]
            order = np.argsort(part, kind="stable")
            ends = np.cumsum(np.bincount(part, minlength=len(parts)))
            for file, chosen in zip(parts, np.split(order, ends[:-1]), strict=True):
                file.write(rows[chosen].tobytes())
        self._rows.close()
        for file in parts:
            file.seek(0)
            rows = _read(file, -1)
            file.close()
            rows = rows[time_order(rows["user"], rows["time"] if self.has_times else None)]
            yield CodedInteractions(
                rows["user"], rows["item"], rows["time"] if self.has_times else None, rows["rating"]
            )

    def _new_file(self) -> IO[bytes]:
        return self._files.enter_context(TemporaryFile(dir=self._folder))


def _read(file: IO[bytes], rows: int) -> np.ndarray:
    """Return the next rows of a file, at most ``rows``; -1: all."""
    return np.frombuffer(file.read(rows * _ROW.itemsize if rows >= 0 else -1), dtype=_ROW)


class _Numbers:
    """The number of each id: 0 for the one that appears first."""

    def __init__(self) -> None:
        self._of_code = np.empty(0, dtype=np.int32)  # -1: no number yet
        self._rows = np.empty(0, dtype=np.int64)
        self._ids: list[pl.Series] = []  # as categories, which keep codes valid from table to table
        self._count = 0

    def of(self, column: pl.Series) -> Int32s:
        """Return every row's number, (rows,); new ids get the next numbers."""
        codes = column.to_physical().to_numpy()  # with gaps: other columns use the codes between them
        missing = int(codes.max(initial=0)) + 1 - len(self._of_code)
        if missing > 0:
            more = np.full(max(missing, len(self._of_code)), -1, dtype=np.int32)
            self._of_code = np.concatenate([self._of_code, more])
        unknown = np.flatnonzero(self._of_code[codes] < 0)
        if len(unknown):
            ids = column.gather(unknown).unique(maintain_order=True)
            self._of_code[ids.to_physical().to_numpy()] = np.arange(self._count, self._count + len(ids))
            self._ids.append(ids)
            self._count += len(ids)
        numbers: Int32s = self._of_code[codes]
        if self._count > len(self._rows):
            more_rows = np.zeros(max(self._count, 2 * len(self._rows)) - len(self._rows), dtype=np.int64)
            self._rows = np.concatenate([self._rows, more_rows])
        np.add.at(self._rows, numbers, 1)
        return numbers

    @property
    def rows(self) -> Int64s:
        """How many rows each number has, (ids,)."""
        return self._rows[: self._count]

    def take_ids(self) -> pl.Series:
        """Return the id of each number, (ids,), as text, and drop what numbering new ids would need."""
        ids = pl.concat(self._ids).cast(pl.String) if self._ids else pl.Series(dtype=pl.String)
        self._ids, self._of_code = [], np.empty(0, dtype=np.int32)
        return ids
