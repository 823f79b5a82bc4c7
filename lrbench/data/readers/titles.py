"""Item titles as the releases ship them: MovieLens movie lists and Amazon product metadata.

Titles label items and change no sequence. If a line of a list cannot be read, the whole list is left out. A
note names the file, the line and the fault.
"""

import ast
import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from lrbench.data.readers.archive import RawFile
from lrbench.data.readers.survey import survey
from lrbench.errors import RequestError

__all__ = ["Titles", "json_titles", "listed_titles", "literal_titles", "table_titles"]

Row = tuple[int, Any, Any]
"""The line, the item's id and its title."""

_NO_PRODUCT = (
    ValueError,
    SyntaxError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,  # nested too deeply
    MemoryError,  # what `ast` raises for the same
)


@dataclass(frozen=True)
class Titles:
    """The titles of items, or the reason why there are none."""

    table: pl.DataFrame | None
    """``item``, ``title``: one row per item; the first one if a file lists an item twice."""

    notes: tuple[str, ...] = ()
    """Why titles are left out."""


def listed_titles(file: RawFile | None, separator: str) -> Titles | None:
    """Read ``movies.dat`` or ``u.item``: item, title and further fields, no header, no quotes.

    The releases differ in encoding (100K and 1M: Latin-1; 10M: UTF-8); ``survey`` tells them apart.
    """
    return None if file is None else _collected(file, lambda: _listed(file, separator))


def table_titles(file: RawFile | None, item: str, title: str) -> Titles | None:
    """Read a CSV with a header, such as ``movies.csv``; ``item`` and ``title`` name its columns."""
    return None if file is None else _collected(file, lambda: _tabled(file, item, title))


def json_titles(file: RawFile, item: str) -> Titles:
    """Read the titles of Amazon metadata in JSON lines (2018, 2023); ``item`` names the id's field."""
    return _collected(file, lambda: _products(file, item, json.loads))


def literal_titles(file: RawFile, item: str) -> Titles:
    """Read the titles of Amazon metadata whose lines are Python literals (2014)."""
    return _collected(file, lambda: _products(file, item, ast.literal_eval))


def _listed(file: RawFile, separator: str) -> Iterator[Row]:
    with survey(file).open() as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                item, found, rest = line.rstrip("\r\n").partition(separator)
                if not found:
                    raise _TitlesError(number, f'there is no "{separator}"')
                yield number, item, rest.partition(separator)[0]


def _tabled(file: RawFile, item: str, title: str) -> Iterator[Row]:
    with survey(file).open() as stream:
        reader = csv.reader(stream, strict=True)
        names: list[str] | None = None
        begins = 1
        try:
            for record in reader:
                if record and names is None:
                    names = record
                    if item not in names or title not in names:
                        raise _TitlesError(begins, f'it does not name the columns "{item}" and "{title}"')
                elif record and names is not None:
                    if len(record) != len(names):
                        raise _TitlesError(begins, f"it has {len(record)} fields instead of {len(names)}")
                    yield begins, record[names.index(item)], record[names.index(title)]
                begins = reader.line_num + 1
        except csv.Error as error:
            raise _TitlesError(begins, str(error)) from error


def _products(file: RawFile, item: str, parse: Callable[[str], Any]) -> Iterator[Row]:
    for number, line in enumerate(file.lines(), start=1):
        if not line.strip():
            continue
        try:
            product = parse(line.decode("utf-8"))
            yield number, product[item], product.get("title")
        except _NO_PRODUCT as error:
            reason = str(error) or type(error).__name__
            raise _TitlesError(number, f"this is not the metadata of a product ({reason})") from error


def _collected(file: RawFile, read: Callable[[], Iterable[Row]]) -> Titles:
    """Return one row per item, the first one if a file lists an item twice, or a note if reading fails."""
    titles: dict[str, str | None] = {}
    try:
        for number, item, title in read():
            if not _is_text(item) or not (title is None or _is_text(title)):
                raise _TitlesError(number, "the id or the title is no text")
            titles.setdefault(item, title)
    except _TitlesError as fault:
        return Titles(None, (f"{file.name}, line {fault.line}: {fault.reason}. Titles are left out.",))
    except RequestError as error:
        return Titles(None, (f"{error.cause} Titles are left out.",))
    if not titles:
        return Titles(None, (f"{file.name} is empty. Titles are left out.",))
    schema = {"item": pl.String, "title": pl.String}
    return Titles(pl.DataFrame({"item": list(titles), "title": list(titles.values())}, schema=schema))


def _is_text(value: Any) -> bool:
    """Tell whether a value is text that UTF-8 can hold; halves of surrogate pairs are not."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


class _TitlesError(Exception):
    """A line of a list of titles that cannot be read."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
