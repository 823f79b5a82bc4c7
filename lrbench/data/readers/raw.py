"""What every reader hands to preparation: one lazy table of interactions, in file order, and the titles.

Readers mark a malformed row by a null user. It is found when the table is collected, so that reading
stays lazy and one pass over the file both parses and checks it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from lrbench.errors import RequestError

__all__ = ["COLUMNS", "RawInteractions"]

COLUMNS = pl.Schema({"user": pl.String, "item": pl.String, "rating": pl.Float64, "time": pl.Int64})


@dataclass(frozen=True)
class RawInteractions:
    """The interactions of a source, before anything was removed or numbered."""

    frame: pl.LazyFrame
    """``COLUMNS``, in file order; ``rating`` and ``time`` are null where the source has none."""

    titles: pl.DataFrame | None = None
    """``item``, ``title``: one row an item; none where the source has no titles."""

    file: str = "the source"
    """The file's name, for messages."""

    first_line: int = 1
    """Line of the first row, for forms in which a row is a line."""

    locate_fault: Callable[[], str] | None = None
    """Finds the first malformed line, for forms in which a row is not a line."""

    explain_row: Callable[[int], str] | None = None
    """Says what is wrong with a malformed row (counted from 0), for forms that keep its fields as written."""

    explain_refusal: Callable[[], str] | None = None
    """Finds the line that Polars refused, for forms in which Polars does not name it."""

    own_clocks: bool = False
    """Whether times count from each user's own first interaction and cannot be compared between users."""

    def collect(self) -> pl.DataFrame:
        """Read the whole file; ids come as categories, which takes half of the memory that strings take.

        Raises:
            RequestError: the file cannot be read, or a line of it is malformed.
        """
        try:
            ids = pl.col("user", "item").cast(pl.Categorical)
            table = self.frame.with_columns(ids).collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = self.explain_refusal() if self.explain_refusal else str(error).splitlines()[0]
            raise RequestError(
                f"{self.file} cannot be read: {reason}.", "Fetch it again, or check that the reader fits it."
            ) from error
        self._refuse_malformed(table)
        return table

    def _refuse_malformed(self, table: pl.DataFrame) -> None:
        malformed = table.select((pl.col("user").is_null() | pl.col("item").is_null()).arg_true()).to_series()
        if malformed.is_empty():
            return
        row = int(malformed[0])
        place = self.locate_fault() if self.locate_fault else f"line {row + self.first_line}"
        fault = "a field is missing, superfluous or not of its kind"
        if self.explain_row is not None:
            fault = self.explain_row(row)
        raise RequestError(
            f"{self.file}, {place}: {fault} ({len(malformed):,} of {len(table):,} rows).",
            "Check that the reader and its options fit the file.",
        )
