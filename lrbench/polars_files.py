"""Reads exactly the named file with Polars.

Polars reads a path with ``[``, ``*`` or ``?`` as a pattern, a leading ``~`` as the home folder, and folders
called ``name=value`` as columns. A person's path may hold all of these. Every file is therefore read by the
functions of this module, which switch that off.
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
"""The errors of this module's functions for a file that Polars cannot read."""


def _exact(source: Path | bytes) -> Path | bytes:
    """Return an absolute path, since ``~`` is special only at the start of one."""
    return source.absolute() if isinstance(source, Path) else source


def scan_csv(source: Path | bytes, **options: Any) -> pl.LazyFrame:
    """Scan delimited text: one plain or gzipped file, or its content."""
    return pl.scan_csv(_exact(source), glob=False, **options)


def scan_lines(source: Path | bytes, name: str) -> pl.LazyFrame:
    """Scan the lines of a plain or gzipped file, or of its content, into the column ``name``."""
    return pl.scan_lines(_exact(source), name=name, glob=False)


def scan_json_lines(source: Path | bytes, schema: pl.Schema) -> pl.LazyFrame:
    """Scan a file with one JSON object per line, or its content.

    Here Polars cannot be told to take a path literally, so it gets an open file.
    """
    return pl.scan_ndjson(source.open("rb") if isinstance(source, Path) else source, schema=schema)


def scan_parquet(source: Path | bytes) -> pl.LazyFrame:
    """Scan one Parquet file, or its content."""
    return pl.scan_parquet(_exact(source), glob=False, hive_partitioning=False)


def read_parquet(source: Path | bytes) -> pl.DataFrame:
    """Read one Parquet file, or its content."""
    with panics_as_errors():
        return pl.read_parquet(_exact(source), glob=False, hive_partitioning=False)


def schema_of(frame: pl.LazyFrame) -> pl.Schema:
    """Return the columns of a scanned file and their types. Polars reads the file's beginning for this."""
    with panics_as_errors():
        return frame.collect_schema()


def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """Read a scanned file into one table."""
    with panics_as_errors():
        return frame.collect()


def batches(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Read a scanned file as several tables, in the order of the file.

    If one of Polars' threads panics, the tables may end early without an error. Callers must count the rows.
    """
    with panics_as_errors():
        yield from frame.collect_batches(engine="streaming")
