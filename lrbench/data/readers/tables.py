"""Tables with a column for users and one for items: delimited text and Parquet, scanned lazily.

Every field that is asked for must be present and of its kind in every row. A row where one is not, or that
has more fields than the table has columns, is malformed: its user is null (see ``raw.py``).
"""

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import RawFile, open_raw
from lrbench.data.readers.raw import COLUMNS, RawInteractions
from lrbench.errors import RequestError, did_you_mean

__all__ = ["Csv", "Parquet", "first_fields", "interactions", "scan_delimited", "scan_headed"]

_SUPERFLUOUS = "beyond the last column"

Column = str | int


def first_fields(file: RawFile, separator: str) -> list[str]:
    """Return the fields of the first line; none for an empty file."""
    first = next(file.lines(), b"").decode("utf-8-sig", errors="replace")
    return next(csv.reader([first.rstrip("\r\n")], delimiter=separator), [])


def scan_delimited(
    content: Path | bytes, columns: pl.Schema, separator: str, header: bool, quote: str | None = None
) -> pl.LazyFrame:
    """Scan delimited text, a row for each line after the header.

    Fields that are missing, or not of the kind that ``columns`` gives for them, are null.
    """
    return pl.scan_csv(
        content,
        separator=separator,
        quote_char=quote,
        has_header=False,
        skip_lines=int(header),
        schema={**columns, _SUPERFLUOUS: pl.String},
        ignore_errors=True,
        missing_columns="insert",  # no line may have superfluous fields
        extra_columns="ignore",  # one is enough to refuse a line
        truncate_ragged_lines=True,
        raise_if_empty=False,
    )


def interactions(
    table: pl.LazyFrame, roles: Mapping[str, str], time_format: str | None = None
) -> pl.LazyFrame:
    """Select ``COLUMNS`` from a table.

    Args:
        table: as ``scan_delimited`` gives it, or any typed table.
        roles: which column is ``user``, ``item`` and, where there are such, ``rating`` and ``time``.
        time_format: how times are written (``strptime``), where they are no numbers.
    """
    schema = table.collect_schema()
    picked = _picked(schema, roles, time_format)
    faulty = pl.any_horizontal(value.is_null() for value in picked.values())
    if _SUPERFLUOUS in schema:
        faulty |= pl.col(_SUPERFLUOUS).is_not_null()
    absent = {name: pl.lit(None, kind) for name, kind in COLUMNS.items() if name not in picked}
    columns = {**picked, **absent, "user": pl.when(~faulty).then(picked["user"])}
    return table.select(columns[name].alias(name) for name in COLUMNS)


def explain_row(table: pl.LazyFrame, roles: Mapping[str, str], time_format: str | None, row: int) -> str:
    """Say what is wrong with a malformed row: the first column at fault, its value and the kind wanted.

    Args:
        table, roles, time_format: as for ``interactions``; the fields of the table are as written.
        row: counted from 0.
    """
    line = table.slice(row, 1)
    read = line.select(**_picked(table.collect_schema(), roles, time_format)).collect().row(0, named=True)
    written = line.select(**{role: pl.col(column) for role, column in roles.items()}).collect()
    role = next((role for role, value in read.items() if value is None), None)
    if role is None:
        return "it has more fields than there are columns"
    value = written[role].item()
    if value is None:
        return f"{roles[role]} is missing"
    return f'{roles[role]} is "{value!s:.40}", and {_wanted(role, time_format)} is wanted'


def scan_headed(file: RawFile, roles: Mapping[str, str], separator: str) -> pl.LazyFrame:
    """Select ``COLUMNS`` from delimited text whose first line names the columns; no quotes.

    Raises:
        RequestError: a column is missing.
    """
    names = first_fields(file, separator)
    kinds = {column: COLUMNS[role] for role, column in _assign_roles(names, roles, file.name).items()}
    columns = pl.Schema({name: kinds.get(name, pl.String()) for name in names})
    return interactions(scan_delimited(file.scannable(), columns, separator, header=True), roles)


def _picked(
    schema: Mapping[str, pl.DataType], roles: Mapping[str, str], time_format: str | None
) -> dict[str, pl.Expr]:
    """Return the value of each role; null where a field is missing or not of its kind."""
    picked = {
        "user": pl.col(roles["user"]).cast(pl.String),
        "item": pl.col(roles["item"]).cast(pl.String),
    }
    if "rating" in roles:
        picked["rating"] = pl.col(roles["rating"]).cast(pl.Float64, strict=False)
    if "time" in roles:
        picked["time"] = _time(pl.col(roles["time"]), schema[roles["time"]], time_format)
    return picked


def _wanted(role: str, time_format: str | None) -> str:
    """Name the kind of a role's values; users and items may be anything."""
    if role == "rating":
        return "a number"
    if time_format is not None:
        return f"a time written as {time_format}"
    return "a whole number such as seconds (or, for dates, time_format=%Y-%m-%d)"


def _time(column: pl.Expr, kind: pl.DataType, time_format: str | None) -> pl.Expr:
    """Return times as 64-bit integers: whole numbers as they are, dates in microseconds since 1970."""
    if time_format is not None:
        column = column.cast(pl.String).str.to_datetime(time_format, time_unit="us", strict=False)
    if time_format is not None or kind.is_temporal():
        return column.dt.timestamp("us")
    if kind.is_integer():
        return column.cast(pl.Int64)
    number = column.cast(pl.Float64, strict=False)
    whole = pl.when(number == number.floor()).then(number).cast(pl.Int64, strict=False)
    if kind.is_float():
        return whole
    return pl.coalesce(column.cast(pl.Int64, strict=False), whole)  # as text it may have more digits


def _assign_roles(names: Sequence[str], wanted: Mapping[str, Any], file: str) -> dict[str, str]:
    """Return the column's name for every role, from names or positions counted from 1."""
    roles = {}
    for role, column in wanted.items():
        if column is None:
            continue
        if isinstance(column, int) and 1 <= column <= len(names):
            roles[role] = names[column - 1]
        elif column in names:
            roles[role] = str(column)
        else:
            remedy = did_you_mean(str(column), names) if isinstance(column, str) else f"It has {len(names)}."
            raise RequestError(f'{file} has no column "{column}" for {role}.', remedy)
    return roles


class _Table(FrozenConfig):
    """Which columns of a table hold what: a name, or a position counted from 1."""

    user: Column = "user"
    """The user's id."""

    item: Column = "item"
    """The item's id."""

    rating: Column | None = None
    """The rating, a number; none: the table has none."""

    time: Column | None = None
    """When it happened: whole numbers of any unit, or dates; none: rows are in order already."""

    time_format: str | None = None
    """How times are written, where they are no numbers: ``%Y-%m-%d %H:%M:%S``."""

    def _roles(self, names: Sequence[str], file: str) -> dict[str, str]:
        wanted = {"user": self.user, "item": self.item, "rating": self.rating, "time": self.time}
        return _assign_roles(names, wanted, file)


class Csv(_Table):
    """Delimited text; gzip and zip as they are."""

    raw_text = frozenset({"separator"})

    separator: str = Field(default=",", min_length=1, max_length=1)
    """The character between two fields."""

    header: bool = True
    """Whether the first line names the columns; if not, columns are given by position."""

    member: str = ""
    """The file to read inside a zip archive."""

    def read(self, path: Path) -> RawInteractions:
        """Scan the table."""
        file = open_raw(path, self.member)
        first = first_fields(file, self.separator)
        names = first if self.header else [str(position + 1) for position in range(len(first))]
        if len(set(names)) < len(names):
            raise RequestError(f"{file.name} names two columns alike: {', '.join(names)}.", "Rename one.")
        strings = pl.Schema(dict.fromkeys(names, pl.String))
        table = scan_delimited(file.scannable(), strings, self.separator, self.header, quote='"')
        roles = self._roles(names, file.name)
        return RawInteractions(
            interactions(table, roles, self.time_format),
            file=file.name,
            first_line=1 + self.header,
            explain_row=partial(explain_row, table, roles, self.time_format),
        )


class Parquet(_Table):
    """A Parquet file; integer and date columns keep all their digits."""

    def read(self, path: Path) -> RawInteractions:
        """Scan the table."""
        if not path.is_file():
            raise RequestError(f"There is no file {path}.", "Check the path.")
        table = pl.scan_parquet(path)
        try:
            names = table.collect_schema().names()
        except pl.exceptions.PolarsError as error:
            raise RequestError(f"{path.name} is no Parquet file: {error}.", "Check the reader.") from error
        roles = self._roles(names, path.name)
        return RawInteractions(
            interactions(table, roles, self.time_format),
            file=path.name,
            explain_row=partial(explain_row, table, roles, self.time_format),
        )
