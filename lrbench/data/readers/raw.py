"""What every reader hands to preparation: one lazy table of interactions, in file order, and the titles.

Readers mark a malformed row by a null user. It is found when the table is collected, so that reading stays
lazy and one pass over the file both parses and checks it. The number of rows is compared with the number of
lines that were counted beforehand.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from lrbench.data.readers.titles import Titles
from lrbench.errors import RequestError
from lrbench.polars_files import REFUSALS
from lrbench.wording import counted

__all__ = ["COLUMNS", "RawInteractions"]

COLUMNS = pl.Schema({"user": pl.String, "item": pl.String, "rating": pl.Float64, "time": pl.Int64})


@dataclass(frozen=True)
class RawInteractions:
    """The interactions of a source, before anything was removed or numbered."""

    frame: pl.LazyFrame
    """``COLUMNS``, in file order; ``rating`` and ``time`` are null where the source has none."""

    titles: pl.DataFrame | None = None
    """``item``, ``title``: one row an item; ``None`` where the source has no titles."""

    file: str = "the source"
    """The file's name, for messages."""

    count: int | None = None
    """How many rows there must be; ``None`` where only parsing can tell."""

    place_of: Callable[[int], str] = lambda row: f"row {row + 1}"
    """Says where a row (counted from 0) is in the file."""

    explain_row: Callable[[int], str] | None = None
    """Says what is wrong with a malformed row (counted from 0), for forms that keep its fields as written."""

    reread: Callable[[], "RawInteractions"] | None = None
    """Reads the source with another parser, for forms that Polars may refuse without being at fault."""

    accounts: pl.DataFrame | None = None
    """``user``, ``account``: whose each sequence is, for sources in which an account has several; ``None``
    where a user is an account."""

    own_clocks: bool = False
    """Whether times count from each user's own first interaction and cannot be compared between users."""

    notes: tuple[str, ...] = ()
    """What was left out or decided while reading; people see it, and records keep it."""

    def with_titles(self, titles: Titles | None) -> "RawInteractions":
        """Return the same interactions with titles, where there are any, and what there is to say of them."""
        if titles is None:
            return self
        return replace(self, titles=titles.table, notes=(*self.notes, *titles.notes))

    def collect(self) -> pl.DataFrame:
        """Read the whole file; ids come as categories, which takes half of the memory that strings take.

        Raises:
            RequestError: the file cannot be read, it is empty, rows were lost, or a line is malformed.
        """
        try:
            ids = pl.col("user", "item").cast(pl.Categorical)
            table = self.frame.with_columns(ids).collect(engine="streaming")
        except REFUSALS as error:
            if self.reread is not None:
                return self.reread().collect()
            raise RequestError(
                f"{self.file} cannot be read: {str(error).splitlines()[0]}.",
                "Correct the file, or check that the reader fits it.",
            ) from error
        malformed = table.select((pl.col("user").is_null() | pl.col("item").is_null()).arg_true()).to_series()
        if len(malformed) and self.reread is not None:
            return self.reread().collect()
        if len(malformed):
            raise self._malformed(int(malformed[0]), len(malformed), len(table))
        if self.count is not None and len(table) != self.count:
            raise RequestError(
                f"{self.file} was not read completely: {self.count:,} rows became {len(table):,}.",
                "Check that the reader and its options fit the file.",
            )
        if not len(table):
            raise RequestError(f"{self.file} holds no interactions.", "Check that it is the right file.")
        return table

    def _malformed(self, row: int, malformed: int, rows: int) -> RequestError:
        """Return what is wrong with the first of the malformed rows."""
        fault = "a field is missing, superfluous or not of its kind"
        if self.explain_row is not None:
            fault = self.explain_row(row)
        return RequestError(
            f"{self.file}, {self.place_of(row)}: {fault} ({malformed:,} of {counted(rows, 'row')}).",
            "Correct the file, or check that the reader and its options fit it.",
        )
