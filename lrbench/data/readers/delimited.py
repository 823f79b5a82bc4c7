"""Delimited text as a table of strings or numbers, one row per record, and no record lost.

Two parsers share the work. Polars scans text in which every line is a row, if the number of separators in
the file is right. Python's :mod:`csv` reads the rest, such as text with quotes. It knows where a quoted field
ends, and says so if one never does. Both give the same table. A field that is missing or of the wrong kind
is null. The extra column ``UNEVEN`` marks rows with more or fewer fields than there are columns.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import polars as pl

from lrbench.arrays import Int64s
from lrbench.data.readers.survey import Text
from lrbench.errors import RequestError
from lrbench.polars_files import scan_csv
from lrbench.wording import counted

__all__ = ["UNEVEN", "Rows", "first_fields", "scan_delimited"]

UNEVEN = "more or fewer fields"
"""A column that is null in every row with as many fields as there are columns."""

_AT_ONCE = 1 << 18  # rows
_SUSPICIOUS = 2  # lines within a quoted field that look like rows

csv.field_size_limit(64 << 20)  # Python's own limit of 128 kB is less than some reviews take


@dataclass(frozen=True)
class Rows:
    """A table, how many rows it must have, and the line of each."""

    frame: pl.LazyFrame
    count: int
    line_of: Callable[[int], int]
    """Gives the line (counted from 1) of a row (counted from 0)."""

    notes: tuple[str, ...] = ()
    """What a person must know about how it was read."""


def first_fields(text: Text, separator: str, quotes: bool) -> list[str]:
    """Return the fields of the first line that is not blank; an empty list for an empty file.

    Raises:
        RequestError: the line cannot be split into fields.
    """
    line = text.first_line()[1]
    try:
        return next(csv.reader([line], delimiter=separator, quoting=_quoting(quotes)), [])
    except csv.Error as error:
        raise RequestError(f"{text.name} is no table: {error}.", "Check the reader and the file.") from error


def scan_delimited(
    text: Text, columns: pl.Schema, separator: str, header: bool, quotes: bool = False
) -> Rows:
    """Return one row per record after the header.

    Args:
        text: the surveyed text, with its separators counted. Blank lines are left out.
        columns: names and types of the fields of a record.
        separator: one character.
        header: whether the first line names the columns.
        quotes: whether double quotes enclose fields; if not, they are ordinary characters.

    Raises:
        RequestError: a quoted field never ends, goes on after its closing quote, or swallows lines that look
            like rows.
    """
    skipped = text.first_line()[0] if header else 0
    blank = text.blank[text.blank > skipped]
    count = text.lines - skipped - len(blank)
    even = text.occurrences[separator] == (count + (skipped > 0)) * (len(columns) - 1)
    if (quotes and text.has_quotes) or text.has_lone_returns or not even:
        return _recorded(text, columns, separator, header, quotes)
    frame = scan_csv(
        text.content,
        separator=separator,
        quote_char=None,
        has_header=False,
        skip_lines=skipped,
        schema={**columns, UNEVEN: pl.String},
        ignore_errors=True,
        missing_columns="insert",  # sound lines have no field for UNEVEN
        extra_columns="ignore",  # UNEVEN takes the first superfluous field; that one is enough
        truncate_ragged_lines=True,
        raise_if_empty=False,
    )
    if not len(blank):
        return Rows(frame, count, lambda row: row + skipped + 1, text.notes)
    row = pl.Series(blank - skipped - 1, dtype=pl.UInt32)
    frame = frame.with_row_index("row").filter(~pl.col("row").is_in(row.implode())).drop("row")
    return Rows(frame, count, lambda row: _nth_kept(row, blank, skipped), (*text.notes, *text.blank_notes))


def _nth_kept(row: int, blank: Int64s, skipped: int) -> int:
    """Return the line (counted from 1) of a row (counted from 0), where rows leave out blank lines.

    Args:
        row: number of the row.
        blank: numbers of the blank lines after the header, (blank lines,).
        skipped: number of lines up to the header; 0 without one.
    """
    kept = np.setdiff1d(np.arange(skipped + 1, skipped + row + len(blank) + 2), blank)
    return int(kept[row])


def _recorded(text: Text, columns: pl.Schema, separator: str, header: bool, quotes: bool) -> Rows:
    """Parse the whole text with :mod:`csv`, since a quoted field may extend over any number of lines."""
    records = _Records(text, separator, quotes)
    rows = iter(records)
    if header:
        next(rows, None)
    names = [*columns, UNEVEN]
    tables = [pl.DataFrame(schema=dict.fromkeys(names, pl.String))]
    lines = [np.empty(0, dtype=np.int64)]
    while chunk := list(islice(rows, _AT_ONCE)):
        lines.append(np.array([line for line, _ in chunk], dtype=np.int64))
        fields = [_padded(record, len(columns)) for _, record in chunk]
        columnwise = [list(values) for values in zip(*fields, strict=True)]
        tables.append(pl.DataFrame(columnwise, schema=tables[0].schema, orient="col"))
    kinds = [
        pl.col(name).str.strip_chars().cast(kind, strict=False)
        for name, kind in columns.items()
        if kind != pl.String
    ]
    lines_of_rows = np.concatenate(lines)
    notes = (*text.notes, *records.notes())
    frame = pl.concat(tables).lazy().with_columns(pl.col(names).replace("", None)).with_columns(kinds)
    return Rows(frame, len(lines_of_rows), lambda row: int(lines_of_rows[row]), notes)


def _quoting(quotes: bool) -> Literal[0, 3]:
    """Return the constant with which :mod:`csv` is told how to treat quotes."""
    return csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE


def _padded(record: list[str], width: int) -> Sequence[str | None]:
    """Return ``width`` fields (``None``: missing), then the value of ``UNEVEN``."""
    if len(record) == width:
        return [*record, None]
    odd = "more" if len(record) > width else "fewer"
    return [*record[:width], *[None] * (width - len(record)), odd]


class _Records:
    """The records of quoted text, each with the line where it begins.

    Iteration raises:
        RequestError: a quoted field never ends, goes on after its closing quote, or swallows rows.
    """

    def __init__(self, text: Text, separator: str, quotes: bool) -> None:
        self._text = text
        self._separator = separator
        self._quoting = _quoting(quotes)
        self._width = 0
        self._broken = 0  # records with line breaks inside quotes
        self._first_broken = 0
        self._blank = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        with self._text.open() as stream:
            reader = csv.reader(stream, delimiter=self._separator, quoting=self._quoting, strict=True)
            begins = 1
            try:
                for record in reader:
                    if any(map(str.strip, record)) or (len(record) > 1 and self._separator != " "):
                        self._width = self._width or len(record)
                        if reader.line_num > begins:
                            self._look_at(record, begins)
                        yield begins, record
                    else:
                        self._blank += 1
                    begins = reader.line_num + 1
            except csv.Error as error:
                raise RequestError(
                    f"{self._text.name}, line {begins}: {self._fault(error)}.",
                    "Double the quotes inside a quoted field, or remove the column.",
                ) from error

    def _fault(self, error: csv.Error) -> str:
        if "unexpected end" in str(error):
            return "a quoted field begins here and never ends"
        if "expected after" in str(error):
            return "a quoted field goes on after its closing quote"
        return str(error)

    def _look_at(self, record: Sequence[str], begins: int) -> None:
        """Count a record that takes several lines. Refuse it if a field of it has swallowed rows."""
        self._first_broken = self._first_broken or begins
        self._broken += 1
        for field in record:
            inner = field.split("\n")[1:-1]
            alike = self._width > 2 and all(line.count(self._separator) + 1 == self._width for line in inner)
            if len(inner) >= _SUSPICIOUS and alike:
                raise RequestError(
                    f"{self._text.name}, line {begins}: a quoted field begins here and holds "
                    f"{len(inner)} lines that look like rows.",
                    "Close the quote, or remove the column.",
                )

    def notes(self) -> tuple[str, ...]:
        """Return notes on what was left out and on how many rows take several lines."""
        notes = []
        if self._blank:
            notes.append(f"{self._text.name}: {counted(self._blank, 'blank line')} left out.")
        if self._broken:
            rows = counted(self._broken, "row")
            first = f"the first in line {self._first_broken}"
            notes.append(f"{self._text.name}: {rows} with line breaks inside quotes ({first}).")
        return tuple(notes)
