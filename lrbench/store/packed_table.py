"""A table in a form that compresses well together with many similar tables.

Compression finds repetitions, and three changes make more of them:

- A string becomes the number of its distinct value.
- A rank without seen items becomes its difference from the rank among all items.
- The first bytes of all numbers are stored first, then all second bytes, and so on.

Nothing is lost: the table is read back as it was. Earlier versions stored a rank as the difference from the
rank of the same target in the previous ranking. On real ranks this takes more space, but it is still read.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

__all__ = ["pack", "unpack"]

_KINDS = {"Float64": "<f8", "Int64": "<i8", "Int32": "<i4"}
"""Type of a column → the form of its numbers, for numpy."""

_HALVES = "halves"
"""A column of ranks, which are multiples of one half. They are doubled and stored as whole numbers."""

_LARGEST = 1 << 29
"""A doubled rank is below this, so that a difference of two fits into 32 bits."""

_LONGEST_TEXT = 1_000
"""Most characters of a text. A text may be repeated in every row, so long texts could fill the memory."""

_REFUSALS = (
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    pl.exceptions.PolarsError,
)
"""Errors that are raised if the first line describes no table."""

_RANKS = ("rank", "rank_masked")


def pack(table: pl.DataFrame) -> bytes:
    """Return the table as bytes: a line of JSON that describes the columns, then their values.

    Raises:
        ValueError: a text is too long, or a column is none of String, Float64, Int64 and Int32.
    """
    ranked = _holds_ranks(table)
    described, body = [], []
    for series in table.iter_columns():
        column: dict[str, Any] = {"name": series.name, "nulls": series.is_null().arg_true().to_list()}
        if series.dtype == pl.String:
            texts = _short(series.drop_nulls().unique(maintain_order=True))
            column |= {"kind": "String", "texts": texts.to_list()}
            codes = series.replace_strict(texts, range(len(texts)), default=0, return_dtype=pl.Int32)
            values = codes.to_numpy()
        elif str(series.dtype) not in _KINDS:
            raise ValueError(f"the column {series.name} has the type {series.dtype}")
        else:
            column["kind"] = str(series.dtype)
            values = series.fill_null(0).to_numpy()
            if ranked and series.name in _RANKS:
                column |= {"kind": _HALVES, "step": table.height}  # so no row is a difference from another
                values = 2 * (values if series.name == "rank" else table["rank"].to_numpy() - values)
        described.append(column)
        body.append(_bytewise(values.astype(_stored(column))))
    head = json.dumps({"rows": table.height, "columns": described}, separators=(",", ":"))
    return head.encode() + b"\n" + b"".join(body)


def unpack(content: bytes) -> pl.DataFrame:
    """Return the table that was packed. It takes a few times as much memory as ``content`` at most.

    Raises:
        ValueError: the bytes are no packed table.
    """
    line, _, body = content.partition(b"\n")
    read: dict[str, pl.Series] = {}
    try:
        head = json.loads(line)
        rows, place = int(head["rows"]), 0
        for column in head["columns"]:
            stored = np.dtype(_stored(column))
            stop = place + rows * stored.itemsize
            planes = np.frombuffer(body[place:stop], np.uint8).reshape(stored.itemsize, rows)
            values = np.ascontiguousarray(planes.T).view(stored).reshape(rows)
            read[str(column["name"])] = _series(column, values, read)
            place = stop
        if place != len(body):
            raise ValueError("it has more bytes than values")
        return pl.DataFrame(read)
    except _REFUSALS as error:
        raise ValueError(f"it is no packed table: {error}") from error


def _short(texts: pl.Series) -> pl.Series:
    """Return the texts. Refuse long ones, which could fill the memory if every row repeats them.

    Raises:
        ValueError: a text is too long.
    """
    if (texts.str.len_chars() > _LONGEST_TEXT).any():
        raise ValueError(f"a text has more than {_LONGEST_TEXT:,} characters")
    return texts


def _holds_ranks(table: pl.DataFrame) -> bool:
    """Whether the table holds ranks, all of which are multiples of one half."""
    if table.is_empty() or not set(_RANKS) <= set(table.columns):
        return False
    return all(_are_halves(table[name]) for name in _RANKS)


def _are_halves(ranks: pl.Series) -> bool:
    doubled = 2 * ranks
    return not ranks.null_count() and bool(((doubled.abs() < _LARGEST) & (doubled == doubled.round())).all())


def _sums(differences: Any, step: int) -> Any:
    """Return the values from doubled differences to the value ``step`` rows before, (rows,)."""
    rows = len(differences)
    if not 0 < step <= max(rows, 1):
        raise ValueError("its step is longer than the table")
    padded = np.zeros(-(-rows // step) * step, np.int64)
    padded[:rows] = differences
    return padded.reshape(-1, step).cumsum(axis=0).reshape(-1)[:rows] / 2


def _stored(column: Mapping[str, Any]) -> str:
    """Return the form of a column's numbers."""
    return "<i4" if column["kind"] in ("String", _HALVES) else _KINDS[column["kind"]]


def _bytewise(values: Any) -> bytes:
    """Return the first bytes of all values, then their second bytes, and so on."""
    return values.view(np.uint8).reshape(len(values), -1).T.tobytes() if len(values) else b""


def _series(column: Mapping[str, Any], values: Any, before: Mapping[str, pl.Series]) -> pl.Series:
    """Return a column as it was packed.

    Args:
        column: its description in the first line.
        values: its stored numbers, (rows,).
        before: the columns before it, by name.
    """
    name, kind = str(column["name"]), column["kind"]
    if kind == _HALVES:
        ranks = _sums(values, int(column["step"]))
        found = pl.Series(name, ranks if name == "rank" else before["rank"].to_numpy() - ranks)
    elif kind == "String":
        texts = _short(pl.Series(column["texts"], dtype=pl.String))
        found = (
            texts.gather(values).alias(name)
            if len(texts)
            else pl.Series(name, [None] * len(values), pl.String)
        )
    else:
        found = pl.Series(name, values)
    return found.scatter(column["nulls"], None) if column["nulls"] else found
