"""Readers: each turns a raw file of one form into a lazy table of interactions.

A reader is a frozen configuration (its fields are its options) with the method ``read(path)``. ``READERS``
gives the class of each by name, so that only the reader in use is imported.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from lrbench.config.base import parse_config
from lrbench.data.readers.archive import PARQUET_MAGIC, open_raw
from lrbench.data.readers.raw import RawInteractions, unreadable
from lrbench.errors import RequestError, did_you_mean

__all__ = ["READERS", "RawInteractions", "read", "table_reader"]

READERS = {
    "movielens-tab": "movielens:MovieLensTab",
    "movielens-colons": "movielens:MovieLensColons",
    "movielens-csv": "movielens:MovieLensCsv",
    "amazon-2014-csv": "amazon:Amazon2014Csv",
    "amazon-2014-json": "amazon:Amazon2014Json",
    "amazon-2018-csv": "amazon:Amazon2018Csv",
    "amazon-2018-json": "amazon:Amazon2018Json",
    "amazon-2023-csv": "amazon:Amazon2023Csv",
    "amazon-2023-json": "amazon:Amazon2023Json",
    "s3rec-lines": "sequence_files:S3RecLines",
    "sasrec-pairs": "sequence_files:SasrecPairs",
    "lcrec-json": "sequence_files:LcRecJson",
    "account-rows": "sequence_files:AccountRowsText",
    "recbole-inter": "recbole:RecboleInter",
    "titled-rows": "titled_rows:TitledRows",
    "csv": "tables:CsvTable",
    "parquet": "tables:ParquetTable",
}


def read(reader: str, path: Path, options: Mapping[str, Any]) -> RawInteractions:
    """Open a raw file with a reader; the rows are read when the table is collected.

    Args:
        reader: a name of ``READERS``.
        path: the file; compression is recognised by the first bytes, whatever the name.
        options: the reader's options; each class documents its own.

    Raises:
        RequestError: no such reader or option, or a file that is missing or not of this form. Faults
            further down the file are raised when its rows are read (``RawInteractions.read_into``).
    """
    if reader not in READERS:
        raise RequestError(f'There is no reader "{reader}".', did_you_mean(reader, READERS))
    module, class_name = READERS[reader].split(":")
    configured = parse_config(
        getattr(import_module(f"lrbench.data.readers.{module}"), class_name), options, f'reader "{reader}"'
    )
    try:
        raw: RawInteractions = configured.read(path)
    except pl.exceptions.PolarsError as error:
        raise unreadable(path.name, error) from error
    return raw


def table_reader(path: Path, member: str = "") -> str:
    """Return the reader for a user's own table: ``parquet`` or ``csv``, by the first bytes of its content.

    Raises:
        RequestError: there is no such file or member, or it is damaged.
    """
    file = open_raw(path, member)
    if member and file.member is None:
        raise RequestError(f"{path.name} is no zip archive, so it has no member.", "Leave member out.")
    return "parquet" if file.start().startswith(PARQUET_MAGIC) else "csv"
