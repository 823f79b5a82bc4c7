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

    first_line: int | None = None
    """Line of the first row, where a row is a line of the file."""

    locate_fault: Callable[[], str] | None = None
    """Finds the line that made Polars refuse the file, for formats where Polars does not say it."""

    def collect(self) -> pl.DataFrame:
        """Read the whole file.

        Raises:
            RequestError: the file cannot be read, or a line of it is malformed.
        """
        try:
            table = self.frame.collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
            place = self.locate_fault() if self.locate_fault else str(error).splitlines()[0]
            raise RequestError(
                f"{self.file} cannot be read: {place}.", "Fetch it again, or check that the reader is right."
            ) from error
        self._refuse_malformed(table)
        return table

    def _refuse_malformed(self, table: pl.DataFrame) -> None:
        malformed = table.select((pl.col("user").is_null() | pl.col("item").is_null()).arg_true()).to_series()
        if malformed.is_empty():
            return
        row = int(malformed[0])
        place = f"line {row + self.first_line}" if self.first_line is not None else f"row {row + 1}"
        raise RequestError(
            f"{self.file}, {place}: a field is missing, superfluous or not of its kind "
            f"({len(malformed):,} of {len(table):,} rows are malformed).",
            "Check that the reader and its options fit the file.",
        )
