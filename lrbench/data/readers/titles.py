"""Item titles as the releases ship them: MovieLens movie lists and Amazon product metadata."""

import ast
import json
from collections.abc import Callable, Iterable
from typing import Any

import polars as pl

from lrbench.data.readers.archive import RawFile
from lrbench.errors import RequestError

__all__ = ["json_titles", "listed_titles", "literal_titles", "table_titles"]


def listed_titles(file: RawFile | None, separator: str) -> pl.DataFrame | None:
    """Read ``movies.dat`` or ``u.item``: item, title and further fields, no header, no quotes.

    The releases differ in encoding (100K and 1M: Latin-1; 10M: UTF-8). Latin-1 text with accents is not
    valid UTF-8, so what does not decode as UTF-8 is Latin-1.
    """
    if file is None:
        return None
    content = file.load()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    rows = [line.split(separator, 2)[:2] for line in text.splitlines() if line]
    return _titles(file, rows)


def table_titles(file: RawFile | None, item: str, title: str) -> pl.DataFrame | None:
    """Read a CSV with a header, such as ``movies.csv``."""
    if file is None:
        return None
    table = pl.read_csv(file.load(), infer_schema=False)
    return table.select(pl.col(item).alias("item"), pl.col(title).alias("title"))


def json_titles(file: RawFile, item: str) -> pl.DataFrame:
    """Read the titles of Amazon metadata in JSON lines (2018, 2023); ``item`` names the id's field."""
    return _metadata(file, item, json.loads)


def literal_titles(file: RawFile, item: str) -> pl.DataFrame:
    """Read the titles of Amazon metadata whose lines are Python literals (2014)."""
    return _metadata(file, item, ast.literal_eval)


def _metadata(file: RawFile, item: str, parse: Callable[[str], Any]) -> pl.DataFrame:
    rows = []
    for number, line in enumerate(file.lines(), start=1):
        try:
            product = parse(line.decode("utf-8"))
            rows.append((product[item], product.get("title")))
        except (ValueError, SyntaxError, KeyError, TypeError, AttributeError) as error:
            raise RequestError(
                f"{file.name}, line {number}: this is not the metadata of a product ({error}).",
                "Check that the titles belong to this edition.",
            ) from error
    return _titles(file, rows)


def _titles(file: RawFile, rows: Iterable[Any]) -> pl.DataFrame:
    """Return one row an item, the first where a file lists it twice."""
    table = pl.DataFrame(rows, schema={"item": pl.String, "title": pl.String}, orient="row")
    return table.unique("item", keep="first", maintain_order=True)
