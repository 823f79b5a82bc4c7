"""Amazon reviews: editions of 2014 (McAuley et al. 2015), 2018 (Ni et al. 2019), 2023 (Hou et al. 2024).

The rating-only files differ in ways that are easily missed:

=======  ==========  ======  ============
edition  first       header  times
=======  ==========  ======  ============
2014     user        no      seconds
2018     **item**    no      seconds
2023     user        yes     milliseconds
=======  ==========  ======  ============

The item of the edition of 2023 is ``parent_asin``. Titles are in separate metadata files (option ``titles``).
"""

from pathlib import Path
from typing import ClassVar

import polars as pl

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import open_raw
from lrbench.data.readers.delimited import scan_delimited
from lrbench.data.readers.raw import COLUMNS, RawInteractions
from lrbench.data.readers.reviews import scan_reviews
from lrbench.data.readers.survey import survey
from lrbench.data.readers.tables import from_rows, scan_headed
from lrbench.data.readers.titles import Titles, json_titles, literal_titles

__all__ = [
    "Amazon2014Csv",
    "Amazon2014Json",
    "Amazon2018Csv",
    "Amazon2018Json",
    "Amazon2023Csv",
    "Amazon2023Json",
]


class _Amazon(FrozenConfig):
    """What the editions share: a rating file, and a separate file of product metadata."""

    titles: Path | None = None
    """The edition's metadata file for the category, plain or gzipped."""

    _item_of_metadata: ClassVar[str] = "asin"
    _literal_metadata: ClassVar[bool] = False

    def _titles(self) -> Titles | None:
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
        """Scan the ratings; lines end in LF or CRLF."""
        text = survey(open_raw(path, ""), words=[","])
        columns = pl.Schema({name: COLUMNS[name] for name in self._order})
        rows = scan_delimited(text, columns, ",", header=False, quotes=True)
        return from_rows(rows, {name: name for name in COLUMNS}, text.name).with_titles(self._titles())


class _ReviewsJson(_Amazon):
    """Reviews, one JSON object per line. Four fields of each are read."""

    _fields: ClassVar[dict[str, str]] = {
        "user": "reviewerID",
        "item": "asin",
        "rating": "overall",
        "time": "unixReviewTime",
    }

    def read(self, path: Path) -> RawInteractions:
        """Scan the reviews."""
        return scan_reviews(open_raw(path, ""), self._fields).with_titles(self._titles())


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

    Further columns, such as ``history`` of the ready-made splits, are not read.
    """

    _item_of_metadata = "parent_asin"

    def read(self, path: Path) -> RawInteractions:
        """Scan the ratings."""
        roles = {"user": "user_id", "item": "parent_asin", "rating": "rating", "time": "timestamp"}
        return scan_headed(survey(open_raw(path, ""), words=[","]), roles, ",").with_titles(self._titles())


class Amazon2023Json(_ReviewsJson):
    """``raw/review_categories/<Category>.jsonl``, milliseconds."""

    _item_of_metadata = "parent_asin"
    _fields: ClassVar[dict[str, str]] = {
        "user": "user_id",
        "item": "parent_asin",
        "rating": "rating",
        "time": "timestamp",
    }
