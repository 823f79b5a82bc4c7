"""Rows of a history and its target with titles, as LatentR³, D3 and MiniOneRec ship their splits.

There is one CSV row per target: the user, up to ten items before the target, and the target. Each row
continues the user's row before it. A user's sequence is thus the history of the first row, then every target.
"""

import ast
import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import RawFile, open_raw
from lrbench.data.readers.raw import COLUMNS, RawInteractions
from lrbench.data.readers.survey import survey
from lrbench.data.readers.tables import check_names_differ
from lrbench.errors import RequestError

__all__ = ["TitledRows"]

_WANTED = ("user_id", "history_item_id", "item_id", "history_item_title", "item_title")
_OPTIONAL = (("history_rating", "rating"), ("history_timestamp", "timestamp"))

TitledEvent = tuple[str, str, float | None, int | None]  # item, title, rating, time


class TitledRows(FrozenConfig):
    """``user_id``, ``history_item_id``, ``item_id`` and titles; ratings and times in seconds if present.

    Lists are written as Python writes them.
    """

    users: int | None = Field(default=None, ge=1)
    """Keep only the first users of the file, this many. ``None``: all."""

    def read(self, path: Path) -> RawInteractions:
        """Read the rows.

        Raises:
            RequestError: a column is missing, a row is malformed, or a row does not continue the one before.
        """
        file = open_raw(path, "")
        events: dict[str, list[TitledEvent]] = {}
        titles: dict[str, str] = {}
        for line, user, history, target in _rows(file):
            known = events.get(user)
            if known is None and len(events) == self.users:
                continue
            if known is None:
                known = events[user] = list(history)
            elif [event[0] for event in known[-len(history) :]] != [event[0] for event in history]:
                raise RequestError(
                    f"{file.name}, line {line}: "
                    f'the history of user "{user}" does not continue the row before.',
                    "Keep the rows in their original order.",
                )
            known.append(target)
            for item, title, *_ in (*history, target):
                titles.setdefault(item, title)
        if not events:
            raise RequestError(f"{file.name} holds no rows.", "Check that it is the right file.")
        flat = [(user, item, rating, time) for user, own in events.items() for item, _, rating, time in own]
        return RawInteractions(
            pl.LazyFrame(flat, schema=COLUMNS, orient="row"),
            titles=pl.DataFrame({"item": list(titles), "title": list(titles.values())}),
            file=file.name,
            count=len(flat),
        )


def _rows(file: RawFile) -> Iterator[tuple[int, str, list[TitledEvent], TitledEvent]]:
    """Yield the line, the user, the history and the target of every row."""
    with survey(file).open() as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            names = reader.fieldnames or ()
            check_names_differ(names, file.name)
            missing = [name for name in _WANTED if name not in names]
            if missing:
                raise RequestError(
                    f'{file.name} has no column "{missing[0]}".', "Check that the reader fits the file."
                )
            for record in reader:
                try:
                    history, target = _events(record)
                except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
                    raise RequestError(
                        f"{file.name}, line {reader.line_num}: this is no history with its target ({error}).",
                        "Correct the file, or check that the reader fits it.",
                    ) from error
                yield reader.line_num, record["user_id"], history, target
        except csv.Error as error:
            raise RequestError(
                f"{file.name}, line {reader.line_num}: {error}.", "Correct the file."
            ) from error


def _events(record: dict[Any, str]) -> tuple[list[TitledEvent], TitledEvent]:
    """Return the history and the target of a row.

    Raises:
        ValueError: the row has too many fields, its lists differ in length, an id or a title is missing, or a
            rating or a time is no such number.
    """
    if None in record:  # where `DictReader` puts superfluous fields
        raise ValueError("it has more fields than there are columns")
    if not (record["user_id"] or "").strip():
        raise ValueError("the user is missing")
    lists = [_list(record["history_item_id"]), _list(record["history_item_title"])]
    last: list[Any] = [record["item_id"], record["item_title"]]
    for history, own in _OPTIONAL:
        known = history in record and own in record
        lists.append(_list(record[history]) if known else [None] * len(lists[0]))
        last.append(ast.literal_eval(record[own]) if known else None)
    if len(set(map(len, lists))) != 1:
        raise ValueError("its lists differ in length")
    *history_events, target = [_event(*values) for values in (*zip(*lists, strict=True), last)]
    return history_events, target


def _event(item: Any, title: Any, rating: Any, time: Any) -> TitledEvent:
    if item is None or title is None or not str(item).strip():
        raise ValueError("an id or a title is missing")
    rated = None if rating is None else float(rating)
    if rated is not None and not math.isfinite(rated):
        raise ValueError("a rating is not finite")
    moment = None if time is None else int(time)
    if moment != time or (moment is not None and not -(1 << 63) <= moment < 1 << 63):
        raise ValueError("a time is no whole number of 64 bits")
    return str(item), str(title), rated, moment


def _list(text: str) -> list[Any]:
    values = ast.literal_eval(text)
    if not isinstance(values, list):
        raise ValueError("a history is no list")
    return values
