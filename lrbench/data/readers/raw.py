"""What every reader hands to preparation: one lazy table of interactions, in file order, and the titles.

A malformed row has a null user. Such rows are found while the table is read, so one pass over the file both
parses and checks it. The number of rows is then compared with the number of lines, counted beforehand.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import polars as pl

from lrbench.data.readers.titles import Titles
from lrbench.errors import RequestError
from lrbench.panics import panics_as_errors
from lrbench.polars_files import REFUSALS, batches
from lrbench.wording import counted

__all__ = ["COLUMNS", "RawInteractions", "Receiver", "unreadable"]

COLUMNS = pl.Schema({"user": pl.String, "item": pl.String, "rating": pl.Float64, "time": pl.Int64})


class Receiver(Protocol):
    """Takes the rows of a source, table after table."""

    def take(self, table: pl.DataFrame) -> None:
        """Take the next rows; the columns are ``COLUMNS``, with ids as categories."""


ReceiverT = TypeVar("ReceiverT", bound=Receiver)


class _Tables:
    """Receives tables and keeps them."""

    def __init__(self) -> None:
        self.tables: list[pl.DataFrame] = []

    def take(self, table: pl.DataFrame) -> None:
        self.tables.append(table)


def unreadable(file: str, error: Exception) -> RequestError:
    """Return the refusal of a file that Polars cannot read."""
    reason = str(error).splitlines()[0].rstrip(".")
    return RequestError(
        f"{file} cannot be read: {reason}.", "Correct the file, or check that the reader fits it."
    )


class _UnreadableError(Exception):
    """Polars refuses a file; the message is its reason."""


@dataclass(frozen=True)
class RawInteractions:
    """The interactions of a source, before anything was removed or numbered."""

    frame: pl.LazyFrame
    """``COLUMNS``, in file order; ``rating`` and ``time`` are null where the source has none."""

    titles: pl.DataFrame | None = None
    """``item``, ``title``: one row per item; ``None`` where the source has no titles."""

    file: str = "the source"
    """The file's name, for messages."""

    count: int | None = None
    """How many rows there must be; ``None`` where only parsing can tell."""

    place_of: Callable[[int], str] = lambda row: f"row {row + 1}"
    """Says where a row (counted from 0) is in the file."""

    explain_row: Callable[[int], str] | None = None
    """Says what is wrong with a malformed row (counted from 0); ``None``: the message stays general."""

    reread: Callable[[], "RawInteractions"] | None = None
    """Reads the source with another parser, if Polars refuses it or finds malformed rows. The other parser
    may accept it, or says more exactly what is wrong."""

    accounts: pl.DataFrame | None = None
    """``user``, ``account``: the account of each sequence, for sources where an account has several.
    ``None``: every user is an account."""

    own_clocks: bool = False
    """Whether times count from each user's own first interaction and cannot be compared between users."""

    notes: tuple[str, ...] = ()
    """What was left out or decided while reading; people see it, and records keep it."""

    def with_titles(self, titles: Titles | None) -> "RawInteractions":
        """Return the interactions with these titles and the notes on them; unchanged for ``None``."""
        if titles is None:
            return self
        return replace(self, titles=titles.table, notes=(*self.notes, *titles.notes))

    def collect(self) -> pl.DataFrame:
        """Read the whole file into memory; see :meth:`read_into`."""
        return pl.concat(self.read_into(_Tables).tables)

    def read_into(self, begin: Callable[[], ReceiverT]) -> ReceiverT:
        """Read the whole file, one table of ``COLUMNS`` after the other, in file order.

        Ids come as categories, which take half the memory of strings. A category has the same code in all
        tables.

        Args:
            begin: makes the receiver of the tables. It is called again if another parser starts over.

        Returns:
            The receiver that has all rows.

        Raises:
            RequestError: the file cannot be read, it is empty, rows were lost, or a line is malformed.
        """
        with panics_as_errors():  # a panic shows here as rows that are missing
            return self._read_into(begin)

    def _read_into(self, begin: Callable[[], ReceiverT]) -> ReceiverT:
        receiver = begin()
        count = malformed = first = 0
        try:
            for table in self._tables():
                wrong = table.select((pl.col("user").is_null() | pl.col("item").is_null()).arg_true())
                places = wrong.to_series()
                if len(places) and not malformed:
                    first = count + int(places[0])
                malformed += len(places)
                count += len(table)
                if malformed and self.reread is not None:
                    return self.reread().read_into(begin)
                if not malformed:
                    receiver.take(table)
        except _UnreadableError as error:
            if self.reread is not None:
                return self.reread().read_into(begin)
            raise unreadable(self.file, error) from error
        if malformed:
            raise self._malformed(first, malformed, count)
        if self.count is not None and count != self.count:
            raise RequestError(
                f"{self.file} was not read completely: {self.count:,} rows became {count:,}.",
                "Check that the file is whole, and that the reader and its options fit it.",
            )
        if not count:
            raise RequestError(f"{self.file} holds no interactions.", "Check that it is the right file.")
        return receiver

    def _tables(self) -> Iterator[pl.DataFrame]:
        """Yield the tables, ids as categories.

        Raises:
            _UnreadableError: Polars refuses the file.
        """
        try:
            ids = pl.col("user", "item").cast(pl.Categorical)
            yield from batches(self.frame.with_columns(ids))
        except REFUSALS as error:
            raise _UnreadableError(str(error)) from error

    def _malformed(self, row: int, malformed: int, rows: int) -> RequestError:
        """Return the error that names the first malformed row and what is wrong with it."""
        fault = "a field is missing, superfluous or of the wrong kind"
        if self.explain_row is not None:
            fault = self.explain_row(row)
        share = f"{malformed:,} of {counted(rows, 'row')}"
        return RequestError(
            f"{self.file}, {self.place_of(row)}: {fault} (malformed: {share}).",
            "Correct the file, or check that the reader and its options fit it.",
        )
