"""A JSON object that carries a digest of itself, so that a later change is noticed.

The digest guards against damage and careless editing. It is no signature: whoever edits a record on
purpose can compute the digest again.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel

from lrbench.errors import CheckError, LrbenchError
from lrbench.files import open_plain, read_plain
from lrbench.polars_files import collected

__all__ = [
    "DIGEST",
    "check_seal",
    "content_digest",
    "file_digest",
    "read_sealed",
    "read_table",
    "readable",
    "sealed_json",
]

RecordT = TypeVar("RecordT", bound=BaseModel)

DIGEST = "digest"
"""The field of a record that holds the digest of all its other fields."""


def content_digest(values: Any) -> str:
    """Return the SHA-256 of a JSON value. It does not depend on white space or on the order of keys."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed_json(record: BaseModel) -> str:
    """Return the record as JSON text with its digest in the field ``digest``."""
    values = json.loads(record.model_dump_json(exclude={DIGEST}))
    values[DIGEST] = content_digest(values)
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def read_sealed(
    path: Path, kind: type[RecordT], remedy: str, later: str | None = None
) -> tuple[RecordT, dict[str, Any]]:
    """Compare a record with its digest, and read it.

    Args:
        path: the file.
        kind: the type of the record.
        remedy: what the user can do about a damaged file.
        later: as for :func:`check_seal`.

    Returns:
        The record, and its JSON object as it is in the file.

    Raises:
        CheckError: the record was changed after it was written.
        LrbenchError: the file is missing, or this version cannot understand it.
    """
    with readable(path, remedy):
        text = read_plain(path)
        values = json.loads(text)
        check_seal(values, path, remedy, later)
        return kind.model_validate_json(text), values


def check_seal(values: Any, path: Path, remedy: str, later: str | None = None) -> None:
    """Compare a record with the digest that it carries.

    Args:
        values: the JSON value of the file.
        path: the file.
        remedy: what the user can do about a damaged file.
        later: a field that was introduced with the digest or after it. A record in which it is empty is of an
            earlier version and may lack the digest. ``None``: every record of this kind has a digest.

    Raises:
        CheckError: they differ, or the digest was removed.
        ValueError: the value is no JSON object.
    """
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    rest = {name: value for name, value in values.items() if name != DIGEST}
    digest = values.get(DIGEST)
    if digest in (None, "") and later is not None and not values.get(later):
        return
    if digest != content_digest(rest):
        raise CheckError(f"{path} was changed after lrbench wrote it: its digest does not match.", remedy)


@contextmanager
def readable(path: Path, remedy: str) -> Iterator[None]:
    """Report errors within the block as a stored file that is missing, damaged or of another version.

    Raises:
        LrbenchError: an error within the block, with the file and the remedy.
    """
    try:
        yield
    except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError) as error:
        raise LrbenchError(
            f"{path} is missing, damaged or of another version of lrbench.",
            f"{remedy} ({' '.join(str(error).split())[:200]})",
        ) from error


def read_table(scanned: pl.LazyFrame, path: Path, remedy: str) -> pl.DataFrame:
    """Read a stored table that was scanned.

    Args:
        scanned: the table.
        path: its file.
        remedy: what to do with a damaged file.

    Raises:
        LrbenchError: it is damaged.
    """
    with readable(path, remedy):
        return collected(scanned)
