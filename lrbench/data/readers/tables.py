"""Tables with a column for users and one for items: delimited text and Parquet.

In every row, each column that has a role must be present and of the right kind. Otherwise the row is
malformed. So is a row with more or fewer fields than columns. A malformed row gets a null user (``raw.py``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import field_validator, model_validator

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import open_raw
from lrbench.data.readers.columns import check_kind, check_time_format, picked, wanted
from lrbench.data.readers.delimited import UNEVEN, Rows, first_fields, scan_delimited
from lrbench.data.readers.raw import COLUMNS, RawInteractions
from lrbench.data.readers.survey import Text, survey
from lrbench.errors import RequestError, did_you_mean
from lrbench.polars_files import REFUSALS, collected, scan_parquet, schema_of
from lrbench.wording import counted

__all__ = ["CsvTable", "ParquetTable", "check_names_differ", "from_rows", "interactions", "scan_headed"]

Column = str | int

_SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "space": " "}
_SPELLINGS = {**_SEPARATORS, "\\t": "\t"}
_ROWS_PER_BYTE = 20  # a Parquet file with more holds nothing but repetitions
_FEW_ROWS = 1_000_000


def interactions(
    table: pl.LazyFrame, roles: Mapping[str, str], time_format: str | None = None
) -> pl.LazyFrame:
    """Select ``COLUMNS`` from a table.

    Args:
        table: a table of ``scan_delimited``, or any typed table.
        roles: the column of ``user``, of ``item`` and, if the table has them, of ``rating`` and ``time``.
        time_format: how times are written (``strptime``); ``None`` if they are numbers or dates.
    """
    schema = schema_of(table)
    values = picked(schema, roles, time_format)
    faulty = pl.any_horizontal(value.is_null() for value in values.values())
    if UNEVEN in schema:
        faulty |= pl.col(UNEVEN).is_not_null()
    absent = {name: pl.lit(None, kind) for name, kind in COLUMNS.items() if name not in values}
    columns = {**values, **absent, "user": pl.when(~faulty).then(values["user"])}
    return table.select(columns[name].alias(name) for name in COLUMNS)


def from_rows(
    rows: Rows, roles: Mapping[str, str], file: str, time_format: str | None = None
) -> RawInteractions:
    """Return the interactions of delimited text; arguments as for ``interactions``."""
    return RawInteractions(
        interactions(rows.frame, roles, time_format),
        file=file,
        count=rows.count,
        place_of=lambda row: f"line {rows.line_of(row)}",
        explain_row=partial(explain_row, rows.frame, roles, time_format),
        notes=rows.notes,
    )


def explain_row(table: pl.LazyFrame, roles: Mapping[str, str], time_format: str | None, row: int) -> str:
    """Say what is wrong with a malformed row: the first faulty column, its value and what it must be.

    Args:
        table, roles, time_format: as for ``interactions``.
        row: number of the row, counted from 0.
    """
    schema = schema_of(table)
    line = table.slice(row, 1)
    read = collected(line.select(**picked(schema, roles, time_format))).row(0, named=True)
    role = next((role for role, value in read.items() if value is None), None)
    if role is None:
        return f"it has {collected(line.select(UNEVEN)).item()} fields than there are columns"
    column, kind = roles[role], schema[roles[role]]
    shown = pl.col(column).to_physical() if kind.is_temporal() else pl.col(column)
    value = collected(line.select(shown)).item()  # a number, since Python has no dates for some values
    missing = value is None or not str(value).strip() or str(value) == "nan"
    if missing and kind in (pl.Int64, pl.Float64) and UNEVEN in schema:
        # Polars has parsed the text already, so it cannot be shown.
        return f"{column} is missing, or not {wanted(role, time_format, kind)}"
    if missing:
        return f"{column} is missing"
    return f'{column} is "{value!s:.40}", but it must be {wanted(role, time_format, kind)}'


def scan_headed(text: Text, roles: Mapping[str, str], separator: str) -> RawInteractions:
    """Return the interactions of delimited text whose first line names the columns.

    Raises:
        RequestError: a column is missing or named twice.
    """
    names = first_fields(text, separator, quotes=True)
    check_names_differ(names, text.name)
    kinds = {column: COLUMNS[role] for role, column in _assign_roles(names, roles, text.name).items()}
    columns = pl.Schema({name: kinds.get(name, pl.String()) for name in names})
    rows = scan_delimited(text, columns, separator, header=True, quotes=True)
    return from_rows(rows, roles, text.name)


def check_names_differ(names: Sequence[str], file: str) -> None:
    """Refuse a header that names a column twice.

    Raises:
        RequestError: naming the column.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestError(f'{file} has two columns called "{twice}".', "Rename one.")


def _assign_roles(names: Sequence[str], requested: Mapping[str, Any], file: str) -> dict[str, str]:
    """Return the column's name for every role, from names or positions counted from 1."""
    roles: dict[str, str] = {}
    for role, column in requested.items():
        if column is None:
            continue
        name = _column_name(names, column)
        if name is None:
            known = f"It has {counted(len(names), 'column')}."
            remedy = did_you_mean(column, names) if isinstance(column, str) else known
            raise RequestError(f'{file} has no column "{column}" for {role}.', remedy)
        other = next((other for other, taken in roles.items() if taken == name), None)
        if other is not None:
            raise RequestError(
                f'{file}: the column "{name}" cannot be both {other} and {role}.',
                "Name a column for each.",
            )
        roles[role] = name
    return roles


def _column_name(names: Sequence[str], column: Column) -> str | None:
    """Return the name of a column that is given by name or position; ``None`` if there is no such column."""
    if isinstance(column, int):
        return names[column - 1] if 1 <= column <= len(names) else None
    return column if column in names else None


class _Table(FrozenConfig):
    """Says which column holds what, by its name or its position, counted from 1."""

    user: Column = "user"
    """The user's id."""

    item: Column = "item"
    """The item's id."""

    rating: Column | None = None
    """The rating, a number. ``None``: the table has no ratings."""

    time: Column | None = None
    """The time of the interaction: whole numbers of any unit, or dates. ``None``: rows are in time order."""

    time_format: str | None = None
    """The format of times that are written as text, as for ``strptime``: ``%Y-%m-%d %H:%M:%S.%f``."""

    member: str = ""
    """The file to read inside a zip archive."""

    @field_validator("time_format")
    @classmethod
    def _understood(cls, time_format: str | None) -> str | None:
        if time_format is not None:
            check_time_format(time_format)
        return time_format

    @model_validator(mode="after")
    def _no_format_without_times(self) -> "_Table":
        if self.time_format is not None and self.time is None:
            raise ValueError("time_format needs a column of times. Give it as time=COLUMN")
        return self

    def _roles(self, names: Sequence[str], file: str) -> dict[str, str]:
        return _assign_roles(names, self._requested, file)

    @property
    def _requested(self) -> dict[str, Column]:
        columns = {"user": self.user, "item": self.item, "rating": self.rating, "time": self.time}
        return {role: column for role, column in columns.items() if column is not None}


class CsvTable(_Table):
    """Delimited text; plain, gzip, bzip2, xz or in a zip archive."""

    raw_text = frozenset({"separator"})

    separator: str = ""
    """The character between two fields, or its name: comma, tab, semicolon, pipe, space. Empty: the first of
    these that splits the first line into fields among which are all columns named here."""

    header: bool = True
    """Whether the first line names the columns. If not, columns are given by position."""

    encoding: str = ""
    """The encoding, by a name that Python knows. Empty: UTF-8, or UTF-16 with a byte-order mark, or else
    Latin-1."""

    @field_validator("header", mode="before")
    @classmethod
    def _yes_or_no(cls, header: Any) -> Any:
        return {"true": True, "false": False}.get(header, header) if isinstance(header, str) else header

    @field_validator("separator", mode="before")
    @classmethod
    def _spelled_out(cls, separator: Any) -> Any:
        return _SPELLINGS.get(separator, separator) if isinstance(separator, str) else separator

    @field_validator("separator")
    @classmethod
    def _possible(cls, separator: str) -> str:
        if separator and (len(separator) > 1 or separator in '"\r\n' or not separator.isascii()):
            raise ValueError(f"the separator must be {', '.join(_SEPARATORS)}, or one other ASCII character")
        return separator

    def read(self, path: Path) -> RawInteractions:
        """Scan the table.

        Raises:
            RequestError: a column is missing or named twice, or the file is no text.
        """
        text = survey(
            open_raw(path, self.member), self.encoding, [*_SEPARATORS.values(), self.separator or ","]
        )
        if text.lines == len(text.blank):
            blank = " but for blank lines" if text.lines else ""
            raise RequestError(f"{text.name} is empty{blank}.", "Check that it is the right file.")
        separator = self.separator or self._find_separator(text)
        names = self._names(text, separator)
        check_names_differ(names, text.name)
        roles = self._roles(names, text.name)
        strings = pl.Schema(dict.fromkeys(names, pl.String()))
        rows = scan_delimited(text, strings, separator, self.header, quotes=True)
        raw = from_rows(rows, roles, text.name, self.time_format)
        if self.separator or separator == ",":
            return raw
        word = next(word for word, sign in _SEPARATORS.items() if sign == separator)
        return replace(raw, notes=(*raw.notes, f"{text.name}: the separator is taken to be a {word}."))

    def _names(self, text: Text, separator: str) -> list[str]:
        first = first_fields(text, separator, quotes=True)
        return first if self.header else [str(position + 1) for position in range(len(first))]

    def _find_separator(self, text: Text) -> str:
        """Return the first separator that splits the first line into fields with every requested column.

        If none does, return the one that finds the most of these columns, or else the first one that splits
        the line at all. The message about the missing column then names the others as they are.
        """

        def found(separator: str) -> tuple[int, bool]:
            names = self._names(text, separator)
            requested = self._requested.values()
            return sum(_column_name(names, column) is not None for column in requested), len(names) > 1

        every = len(self._requested)
        return next(
            (separator for separator in _SEPARATORS.values() if found(separator)[0] == every),
            max(_SEPARATORS.values(), key=found),
        )


class ParquetTable(_Table):
    """A Parquet file; integer and date columns keep all their digits."""

    def read(self, path: Path) -> RawInteractions:
        """Scan the table.

        Raises:
            RequestError: it is no Parquet file, or a column is missing or has a type that does not fit.
        """
        file = open_raw(path, self.member)
        content = file.path if file.is_plain() else file.load()
        try:
            table = scan_parquet(content)
            schema = schema_of(table)
            count = int(collected(table.select(pl.len())).item())
        except REFUSALS as error:
            raise _not_parquet(file.name, str(error)) from error
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        if count > max(_FEW_ROWS, _ROWS_PER_BYTE * size):
            raise RequestError(
                f"{file.name} has {count:,} rows in {size:,} bytes.",
                "No table of interactions has so many. Check the file.",
            )
        roles = self._roles(schema.names(), file.name)
        for role, name in roles.items():
            check_kind(role, name, schema[name], file.name)
        return RawInteractions(
            interactions(table, roles, self.time_format),
            file=file.name,
            count=count,
            place_of=lambda row: f"row {row + 1}",
            explain_row=partial(explain_row, table, roles, self.time_format),
        )


def _not_parquet(name: str, reason: str) -> RequestError:
    """Return the refusal of a file of which Polars cannot read the head."""
    zone = re.search(r"time zone: '(.*?)'", reason)
    if zone is None:
        return RequestError(f"{name} is no Parquet file: {reason.splitlines()[0]}.", "Check the reader.")
    return RequestError(
        f'{name} has a column in the time zone "{zone[1]}", which Polars does not know.',
        "Convert the column to UTC, or leave it out. In pandas: dt.tz_convert('UTC').",
    )
