"""Amazon reviews: editions of 2014 (McAuley et al. 2015), 2018 (Ni et al. 2019), 2023 (Hou et al. 2024).

The rating-only files differ where it is easily missed: 2014 has the user first, 2018 the **item**, both
without a header; 2023 has a header and times in milliseconds. ``parent_asin`` is the item of 2023. Titles
are in metadata files of their own (option ``titles``).
"""

import json
from pathlib import Path
from typing import ClassVar

import polars as pl

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import RawFile, open_raw
from lrbench.data.readers.raw import COLUMNS, RawInteractions
from lrbench.data.readers.tables import interactions, scan_delimited, scan_headed
from lrbench.data.readers.titles import json_titles, literal_titles

__all__ = [
    "Amazon2014Csv",
    "Amazon2014Json",
    "Amazon2018Csv",
    "Amazon2018Json",
    "Amazon2023Csv",
    "Amazon2023Json",
]


class _Amazon(FrozenConfig):
    """What the editions share: a rating file, and product metadata beside it."""

    titles: Path | None = None
    """The edition's metadata file for the category, plain or gzipped."""

    _item_of_metadata: ClassVar[str] = "asin"
    _literal_metadata: ClassVar[bool] = False

    def _titles(self) -> pl.DataFrame | None:
        if self.titles is None:
            return None
        file = open_raw(self.titles, "")
        if self._literal_metadata:
            return literal_titles(file, self._item_of_metadata)
        return json_titles(file, self._item_of_metadata)


class _RatingsCsv(_Amazon):
    """Ratings without a header."""

    _order: ClassVar[tuple[str, ...]]

    def read(self, path: Path) -> RawInteractions:
        """Scan the ratings; LF or CRLF."""
        file = open_raw(path, "")
        columns = pl.Schema({name: COLUMNS[name] for name in self._order})
        table = scan_delimited(file.scannable(), columns, ",", header=False)
        return RawInteractions(
            interactions(table, {name: name for name in COLUMNS}), self._titles(), file.name
        )


class _ReviewsJson(_Amazon):
    """Reviews, a JSON object a line, of which four fields are read."""

    _fields: ClassVar[dict[str, str]] = {
        "user": "reviewerID",
        "item": "asin",
        "rating": "overall",
        "time": "unixReviewTime",
    }

    def read(self, path: Path) -> RawInteractions:
        """Scan the reviews."""
        file = open_raw(path, "")
        schema = pl.Schema({field: COLUMNS[role] for role, field in self._fields.items()})
        table = pl.scan_ndjson(file.scannable(), schema=schema)

        def find_fault() -> str:
            return _faulty_line(file, self._fields)

        return RawInteractions(
            interactions(table, self._fields),
            self._titles(),
            file.name,
            locate_fault=find_fault,
            explain_refusal=find_fault,
        )


class Amazon2014Csv(_RatingsCsv):
    """``ratings_<Category>.csv``: user, item, rating, seconds."""

    _order = ("user", "item", "rating", "time")
    _literal_metadata = True


class Amazon2018Csv(_RatingsCsv):
    """``<Category>.csv``: item, user, rating, seconds."""

    _order = ("item", "user", "rating", "time")


class Amazon2014Json(_ReviewsJson):
    """``reviews_<Category>_5.json``; the metadata's lines are Python literals."""

    _literal_metadata = True


class Amazon2018Json(_ReviewsJson):
    """``<Category>_5.json``."""


class Amazon2023Csv(_Amazon):
    """``benchmark/…/<Category>.csv``: header ``user_id,parent_asin,rating,timestamp``, milliseconds.

    Further columns (``history`` of the ready-made splits) are left out.
    """

    _item_of_metadata = "parent_asin"

    def read(self, path: Path) -> RawInteractions:
        """Scan the ratings."""
        file = open_raw(path, "")
        roles = {"user": "user_id", "item": "parent_asin", "rating": "rating", "time": "timestamp"}
        return RawInteractions(scan_headed(file, roles, ","), self._titles(), file.name, first_line=2)


class Amazon2023Json(_ReviewsJson):
    """``raw/review_categories/<Category>.jsonl``, milliseconds."""

    _item_of_metadata = "parent_asin"
    _fields: ClassVar[dict[str, str]] = {
        "user": "user_id",
        "item": "parent_asin",
        "rating": "rating",
        "time": "timestamp",
    }


def _faulty_line(file: RawFile, fields: dict[str, str]) -> str:
    """Say which is the first line that is not a review."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "user": str,
        "item": str,
        "rating": (int, float),
        "time": int,
    }
    for number, line in enumerate(file.lines(), start=1):
        try:
            review = json.loads(line)
        except ValueError:
            return f"line {number} is not JSON"
        for role, field in fields.items():
            if not isinstance(review, dict) or not isinstance(review.get(field), kinds[role]):
                return f'line {number} has no "{field}" of the right kind'
    return "no line of it is at fault"
