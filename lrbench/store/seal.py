"""A JSON object that carries a digest of itself, so that a later change is noticed.

The digest guards against damage and careless editing. It is no signature: whoever edits a record on
purpose can compute the digest again.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lrbench.errors import CheckError

__all__ = ["DIGEST", "check_seal", "content_digest", "file_digest", "sealed_json"]

DIGEST = "digest"
"""The field of a record that holds the digest of all its other fields."""


def content_digest(values: Any) -> str:
    """Return the SHA-256 of a JSON value, whatever its white space and the order of its keys."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed_json(record: BaseModel) -> str:
    """Return the record as JSON text with its digest in the field ``digest``."""
    values = json.loads(record.model_dump_json(exclude={DIGEST}))
    values[DIGEST] = content_digest(values)
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def check_seal(values: dict[str, Any], path: Path, remedy: str) -> None:
    """Compare a record with the digest that it carries. Records of earlier versions carry none.

    Raises:
        CheckError: they differ.
    """
    rest = {name: value for name, value in values.items() if name != DIGEST}
    if values.get(DIGEST) not in (None, "", content_digest(rest)):
        raise CheckError(f"{path} was changed after lrbench wrote it: its digest does not match.", remedy)
