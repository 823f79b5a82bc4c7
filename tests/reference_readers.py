"""Plain readers of every text form: a line at a time, with nothing but the standard library.

Each takes the bytes of a file and returns rows of user, item, rating and time, or raises ``ValueError``.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Row = tuple[str, str, float | None, int | None]

__all__ = ["REFERENCES", "Row"]


def decoded(content: bytes) -> str:
    if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("a zero byte")
    for codec in ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "latin-1"):
        try:
            return content.decode(codec)
        except UnicodeDecodeError:
            continue
    raise ValueError("no text")


def records(text: str, separator: str, quotes: bool) -> Iterable[list[str]]:
    quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True)
    try:
        for record in reader:
            if any(map(str.strip, record)) or (len(record) > 1 and separator != " "):
                yield record
    except csv.Error as error:
        raise ValueError(str(error)) from error


def identifier(text: str) -> str:
    if all(sign.isspace() and sign not in "\x1c\x1d\x1e\x1f" for sign in text):  # no white space to Unicode
        raise ValueError("no id")
    return text


def rating(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no number")
    return number


def time(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        exact = float(text).is_integer() and abs(float(text)) < 1 << 53
        number = int(float(text)) if exact else int("no whole number")
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("too large")
    return number


KINDS: dict[str, Callable[[str], Any]] = {
    "user": identifier,
    "item": identifier,
    "rating": rating,
    "time": time,
}


def row(fields: Sequence[str], order: Sequence[str], width: int) -> Row:
    """Pick the roles out of the fields; ``order`` names the role (or nothing) of each."""
    if len(fields) != width:
        raise ValueError("another number of fields")
    found = {role: KINDS[role](field) for role, field in zip(order, fields, strict=True) if role}
    return found["user"], found["item"], found.get("rating"), found.get("time")


def delimited(
    separator: str, order: Sequence[str], header: Sequence[str] | None = None, quotes: bool = True
) -> Callable[[bytes], list[Row]]:
    def read(content: bytes) -> list[Row]:
        lines = iter(records(decoded(content), separator, quotes))
        roles = list(order)
        if header is not None:
            names = next(lines, [])
            names = [name.partition(":")[0] for name in names] if separator == "\t" else names
            if len(set(names)) < len(names):
                raise ValueError("a name twice")
            needed = header[:2] if separator == "\t" else header  # RecBole's rating and time may be absent
            if any(name not in names for name in needed):
                raise ValueError("no such column")
            roles = [dict(zip(header, order, strict=True)).get(name, "") for name in names]
        return [row(fields, roles, len(roles)) for fields in lines]

    return read


def colons(content: bytes) -> list[Row]:
    lines = [line for line in re.split("\r\n|\r|\n", decoded(content)) if line.strip(" ")]
    return [row(line.split("::"), ("user", "item", "rating", "time"), 4) for line in lines]


def whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53


def reviews(fields: Sequence[str]) -> Callable[[bytes], list[Row]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if any(names.count(field) > 1 for field in fields):
            raise ValueError("a field twice")
        return dict(pairs)

    def read(content: bytes) -> list[Row]:
        found = []
        for line in decoded(content).split("\n"):
            if not line.strip(" \r"):
                continue
            review = json.loads(line, object_pairs_hook=once)
            if not isinstance(review, dict):
                raise ValueError("no object")
            values = [review.get(field) for field in fields]
            if any(isinstance(value, bool | list | dict | None) for value in values):
                raise ValueError("no value")
            values[:2] = (int(value) if whole(value) else value for value in values[:2])
            if any(isinstance(value, float) for value in values[:2]):
                raise ValueError("an id that is no whole number")
            user, item, stars, when = (str(value) for value in values)
            found.append((identifier(user), identifier(item), rating(stars), time(when)))
        return found

    return read


def s3rec(content: bytes) -> list[Row]:
    lines = [line for line in decoded(content).replace("\r\n", "\n").split("\n") if line.strip(" \r")]
    timed = bool(lines) and "\t" in lines[0]
    found: list[Row] = []
    for line in lines:
        fields, *rest = line.strip(" \r\t").split("\t")
        user, *items = fields.split(" ")
        if not items or len(rest) != timed:
            raise ValueError("no items")
        gaps = [int(gap) for gap in rest[0].split(" ")] if timed else None
        if gaps is not None and (len(gaps) != len(items) or min(gaps) < 0 or sum(gaps) >= 1 << 63):
            raise ValueError("other gaps")
        at = 0
        for number, item in enumerate(items):
            at += gaps[number] if gaps else 0
            found.append((identifier(user), identifier(item), None, at if gaps else None))
    return found


def lcrec(content: bytes) -> list[Row]:
    users = json.loads(content)
    if not isinstance(users, dict):
        raise ValueError("no object")
    found: list[Row] = []
    for user, items in users.items():
        if not isinstance(items, list):
            raise ValueError("no list")
        for item in items:
            if isinstance(item, bool) or not isinstance(item, int | str):
                raise ValueError("no id")
            found.append((identifier(user), identifier(str(item)), None, None))
    return found


ALL = ("user", "item", "rating", "time")
REVIEW = ("reviewerID", "asin", "overall", "unixReviewTime")
REVIEW_2023 = ("user_id", "parent_asin", "rating", "timestamp")
REFERENCES: dict[str, Callable[[bytes], list[Row]]] = {
    "movielens-tab": delimited("\t", ALL, quotes=False),
    "movielens-colons": colons,
    "movielens-csv": delimited(",", ALL, ("userId", "movieId", "rating", "timestamp")),
    "amazon-2014-csv": delimited(",", ALL),
    "amazon-2018-csv": delimited(",", ("item", "user", "rating", "time")),
    "amazon-2023-csv": delimited(",", ALL, REVIEW_2023),
    "amazon-2014-json": reviews(REVIEW),
    "amazon-2018-json": reviews(REVIEW),
    "amazon-2023-json": reviews(REVIEW_2023),
    "s3rec-lines": s3rec,
    "sasrec-pairs": delimited(" ", ("user", "item"), quotes=False),
    "lcrec-json": lcrec,
    "recbole-inter": delimited("\t", ALL, ("user_id", "item_id", "rating", "timestamp"), quotes=False),
    "csv": delimited(",", ALL, ALL),
}
