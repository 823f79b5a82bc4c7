"""Delimited text as a table of strings or numbers, a row for each line, and nothing lost on the way.

Two parsers share the work. Polars scans text in which every line is a row, with as many separators as its
rows must have. Python's :mod:`csv` reads the rest, such as text with quotes: it knows where a quoted field
ends, and says so when one never does. Both give the same table. A field that is missing, or not of the kind
asked for, is null. A column of its own tells rows that have more or fewer fields than there are columns.
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
    """A table, how many rows it must have, and where each comes from."""

    frame: pl.LazyFrame
    count: int
    line_of: Callable[[int], int]
    """The line of a row, counted from 1, for a row counted from 0."""

    notes: tuple[str, ...] = ()
    """What a person must know of how it was read."""


def first_fields(text: Text, separator: str, quotes: bool) -> list[str]:
    """Return the fields of the first line that is not blank; none for an empty file."""
    line = text.first_line()[1]
    try:
        return next(csv.reader([line], delimiter=separator, quoting=_quoting(quotes)), [])
    except csv.Error as error:
        raise RequestError(f"{text.name} is no table: {error}.", "Check the reader and the file.") from error


def scan_delimited(
    text: Text, columns: pl.Schema, separator: str, header: bool, quotes: bool = False
) -> Rows:
    """Return a row for each line after the header.

    Args:
        text: what to read, with the separators counted; blank lines are left out.
        columns: names and kinds of the fields of a line.
        separator: one character.
        header: whether the first line names the columns.
        quotes: whether double quotes enclose fields; otherwise they are characters like others.

    Raises:
        RequestError: a quoted field never ends, or swallows lines that look like rows.
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
        missing_columns="insert",  # no line may have superfluous fields
        extra_columns="ignore",  # one is enough to refuse a line
        truncate_ragged_lines=True,
        raise_if_empty=False,
    )
    if not len(blank):
        return Rows(frame, count, lambda row: row + skipped + 1, text.notes)
    row = pl.Series(blank - skipped - 1, dtype=pl.UInt32)
    frame = frame.with_row_index("row").filter(~pl.col("row").is_in(row.implode())).drop("row")
    return Rows(frame, count, lambda row: _nth_kept(row, blank, skipped), (*text.notes, *text.blank_notes))


def _nth_kept(row: int, blank: Int64s, skipped: int) -> int:
    """Return the line of a row where blank lines, (blank lines,), are left out."""
    kept = np.setdiff1d(np.arange(skipped + 1, skipped + row + len(blank) + 2), blank)
    return int(kept[row])


def _recorded(text: Text, columns: pl.Schema, separator: str, header: bool, quotes: bool) -> Rows:
    """Parse with :mod:`csv`; all columns are read, since a field may hold any number of lines."""
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
    of_row = np.concatenate(lines)
    notes = (*text.notes, *records.notes())
    frame = pl.concat(tables).lazy().with_columns(pl.col(names).replace("", None)).with_columns(kinds)
    return Rows(frame, len(of_row), lambda row: int(of_row[row]), notes)


def _quoting(quotes: bool) -> Literal[0, 3]:
    """Return what :mod:`csv` calls the treatment of quotes."""
    return csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE


def _padded(record: list[str], width: int) -> Sequence[str | None]:
    """Return ``width`` fields (``None``: missing), and whether there are more or fewer."""
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
        """Count a record of several lines; refuse one that has swallowed rows."""
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
        """Say what was left out, and how many rows take several lines."""
        said = []
        if self._blank:
            said.append(f"{self._text.name}: {counted(self._blank, 'blank line')} left out.")
        if self._broken:
            rows = counted(self._broken, "row")
            first = f"the first in line {self._first_broken}"
            said.append(f"{self._text.name}: {rows} with line breaks inside quotes ({first}).")
        return tuple(said)
