"""What Polars reads from disk is exactly the file that was named.

Polars takes a path for a pattern where it holds ``[``, ``*`` or ``?``, a leading ``~`` for the home folder,
and ``name=value`` folders for columns. A person's path may hold all of these, so every file is read here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from lrbench.panics import panics_as_errors

__all__ = [
    "REFUSALS",
    "batches",
    "collected",
    "read_parquet",
    "scan_csv",
    "scan_json_lines",
    "scan_lines",
    "scan_parquet",
    "schema_of",
]

REFUSALS = (pl.exceptions.PolarsError, OSError)
"""What the functions of this file raise for a file that Polars cannot read."""


def _exact(source: Path | bytes) -> Path | bytes:
    """Return an absolute path, since ``~`` is special only at the start of one."""
    return source.absolute() if isinstance(source, Path) else source


def scan_csv(source: Path | bytes, **options: Any) -> pl.LazyFrame:
    """Scan delimited text: one plain or gzipped file, or its content."""
    return pl.scan_csv(_exact(source), glob=False, **options)


def scan_lines(source: Path | bytes, name: str) -> pl.LazyFrame:
    """Scan the lines of a plain or gzipped file, or of its content, to one column."""
    return pl.scan_lines(_exact(source), name=name, glob=False)


def scan_json_lines(source: Path | bytes, schema: pl.Schema) -> pl.LazyFrame:
    """Scan a JSON object a line; Polars cannot be kept from expanding a path, so it gets an open file."""
    return pl.scan_ndjson(source.open("rb") if isinstance(source, Path) else source, schema=schema)


def scan_parquet(source: Path | bytes) -> pl.LazyFrame:
    """Scan one Parquet file, or its content."""
    return pl.scan_parquet(_exact(source), glob=False, hive_partitioning=False)


def read_parquet(source: Path | bytes) -> pl.DataFrame:
    """Read one Parquet file, or its content."""
    with panics_as_errors():
        return pl.read_parquet(_exact(source), glob=False, hive_partitioning=False)


def schema_of(frame: pl.LazyFrame) -> pl.Schema:
    """Return the columns of a scanned file and their types, for which Polars reads its head."""
    with panics_as_errors():
        return frame.collect_schema()


def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """Read a scanned file."""
    with panics_as_errors():
        return frame.collect()


def batches(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Read a scanned file, one table after the other, in its order.

    After a panic in a thread of its own Polars may end the tables early without an error: count the rows.
    """
    with panics_as_errors():
        yield from frame.collect_batches(engine="streaming")
