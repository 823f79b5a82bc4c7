"""Reviews as JSON, one object per line.

Polars parses most files. Python's :mod:`json` is slower, but says which line is at fault. It reads the files
that Polars refuses or would read wrongly:

===========================================  ============================
content                                      Polars
===========================================  ============================
``NaN``, which JSON does not have            refuses the file
an id that is a list                         turns it into text
an id with half of a surrogate pair          turns it into text
an id with a point or an exponent            rounds it
two fields of one name                       takes the first
===========================================  ============================
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import polars as pl

from lrbench.data.readers.archive import RawFile
from lrbench.data.readers.raw import COLUMNS, RawInteractions
from lrbench.data.readers.survey import Text, survey
from lrbench.data.readers.tables import interactions
from lrbench.errors import RequestError
from lrbench.polars_files import scan_json_lines

__all__ = ["scan_reviews"]

_AT_ONCE = 1 << 18  # reviews
_NO_ID = r"^(true|false|null|\[.*|\{.*)$|\x00"  # what Polars makes of values that are no text
_NO_WHOLE_NUMBER = r"^(-0|-?\d{16,}|-?\d[\d+-]*[.e][\d.e+-]*)$"  # or only perhaps, once Polars has rounded it
_EXACT = 1 << 53  # whole numbers from here on are several in floating point


def scan_reviews(file: RawFile, fields: Mapping[str, str]) -> RawInteractions:
    """Return the interactions of reviews; ``fields`` gives the name of each role's field."""
    text = survey(file, words=[f'"{field}"' for field in fields.values()])
    notes = (*text.notes, *text.blank_notes)
    count = text.lines - len(text.blank)
    # The numbers differ if a field is missing or there twice, or if its name occurs in a value.
    if sum(text.occurrences.values()) != count * len(fields):
        return replace(_read_again(text, fields), notes=notes)
    table = scan_json_lines(text.content, pl.Schema({field: COLUMNS[role] for role, field in fields.items()}))
    frame = interactions(table, fields)
    odd = pl.any_horizontal(pl.col("user", "item").str.contains(f"{_NO_ID}|{_NO_WHOLE_NUMBER}"))
    return RawInteractions(
        frame.with_columns(pl.when(~odd).then("user").alias("user")),
        file=text.name,
        count=count,
        reread=partial(_read_again, text, fields),
        notes=notes,
    )


def _read_again(text: Text, fields: Mapping[str, str]) -> RawInteractions:
    """Parse with Python's :mod:`json`.

    Raises:
        RequestError: naming the first line that is no review.
    """
    tables = [COLUMNS.to_frame()]
    reviews = _reviews(text, fields)
    while chunk := list(islice(reviews, _AT_ONCE)):
        tables.append(pl.DataFrame(chunk, schema=COLUMNS, orient="row"))
    return RawInteractions(pl.concat(tables).lazy(), file=text.name, count=text.lines - len(text.blank))


def _reviews(text: Text, fields: Mapping[str, str]) -> Iterator[tuple[str, str, float, int]]:
    with text.open(newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip(" \r\n"):
                continue
            try:
                review = json.loads(line, object_pairs_hook=partial(_object, frozenset(fields.values())))
            except (ValueError, RecursionError) as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                raise _fault(text, number, f"this is not JSON ({reason})") from error
            values = {}
            for role, field in fields.items():
                value = review.get(field) if isinstance(review, dict) else None
                values[role] = _value(role, value)
                if values[role] is None:
                    shown = "missing" if value is None else f"{value!r:.40}"
                    raise _fault(text, number, f'"{field}" is {shown}, but it must be {_WANTED[role]}')
            yield values["user"], values["item"], values["rating"], values["time"]


_WANTED = {
    "user": "an id as text or a whole number",
    "item": "an id as text or a whole number",
    "rating": "a number",
    "time": "a whole number of 64 bits",
}


def _object(once: frozenset[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object as a mapping.

    Args:
        once: fields that may not be there twice.
        pairs: the fields of the object and their values.

    Raises:
        ValueError: one of ``once`` is there twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next((name for name in names if name in once and names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f'it has "{twice}" twice')
    return found


def _id(value: Any) -> str | None:
    """Return an id as text, or ``None`` if it is missing, or no id."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else None
    if isinstance(value, int):
        return str(value)
    sound = isinstance(value, str) and value.strip()
    return value if sound and not any("\ud800" <= sign <= "\udfff" for sign in value) else None


def _value(role: str, value: Any) -> Any:
    """Return the value as it is kept, or ``None`` if it is missing or of the wrong kind."""
    if isinstance(value, bool):
        return None
    if role in ("user", "item"):
        return _id(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if role == "rating":
        return float(value)
    exact = isinstance(value, int) or (value.is_integer() and abs(value) < _EXACT)
    return int(value) if exact and -(1 << 63) <= value < 1 << 63 else None


def _fault(text: Text, line: int, reason: str) -> RequestError:
    return RequestError(
        f"{text.name}, line {line}: {reason}.", "Correct the file, or check that the reader fits it."
    )
