"""Readers: a raw file in one of the forms that datasets come in, as a lazy table of interactions.

A reader is a frozen configuration (its fields are its options) with ``read(path)``. The table below
names the class of each, so that only the reader that is used is imported.
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
    """Read a raw file; the rows themselves are read when the table is collected.

    Args:
        reader: a name of ``READERS``.
        path: the file; compression is recognised by the first bytes, whatever the name.
        options: the reader's options; each class documents its own.

    Raises:
        RequestError: no such reader or option, or a file that is missing or not of this form. What
            only shows further down the file is raised by ``RawInteractions.collect``.
    """
    if reader not in READERS:
        raise RequestError(f'There is no reader "{reader}".', did_you_mean(reader, READERS))
    module, kind = READERS[reader].split(":")
    configured = parse_config(
        getattr(import_module(f"lrbench.data.readers.{module}"), kind), options, f'reader "{reader}"'
    )
    try:
        raw: RawInteractions = configured.read(path)
    except pl.exceptions.PolarsError as error:
        raise unreadable(path.name, error) from error
    return raw


def table_reader(path: Path, member: str = "") -> str:
    """Return the reader for a table of the user's own: ``parquet`` or ``csv``, as the content is.

    Raises:
        RequestError: there is no such file or member, or it is damaged.
    """
    file = open_raw(path, member)
    if member and file.member is None:
        raise RequestError(f"{path.name} is no zip archive, so it has no member.", "Leave member out.")
    return "parquet" if file.start().startswith(PARQUET_MAGIC) else "csv"
