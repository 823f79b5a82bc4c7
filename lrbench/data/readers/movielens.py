"""The MovieLens releases (Harper & Konstan 2015): ``u.data``, ``ratings.dat`` and ``ratings.csv``.

Each is read from its zip archive or unpacked. Titles come from the movie list beside the ratings, if there
is one. Times are seconds since 1970.
"""

from dataclasses import replace
from pathlib import Path

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import open_raw
from lrbench.data.readers.delimited import scan_delimited
from lrbench.data.readers.raw import COLUMNS, RawInteractions
from lrbench.data.readers.survey import survey
from lrbench.data.readers.tables import from_rows, scan_headed
from lrbench.data.readers.titles import listed_titles, table_titles
from lrbench.errors import RequestError

__all__ = ["MovieLensColons", "MovieLensCsv", "MovieLensTab"]

_ROLES = {name: name for name in COLUMNS}  # every release has user, item, rating, time in this order
_UNIT = "\x1f"


class MovieLensTab(FrozenConfig):
    """100K: ``user item rating time``, separated by tabs, without a header."""

    member: str = "u.data"
    """The file's path in the archive. The last part of the path is enough if it is unique."""

    def read(self, path: Path) -> RawInteractions:
        """Scan ``u.data`` and read ``u.item``."""
        file = open_raw(path, self.member)
        rows = scan_delimited(survey(file, words=["\t"]), COLUMNS, "\t", header=False)
        return from_rows(rows, _ROLES, file.name).with_titles(listed_titles(file.beside("u.item"), "|"))


class MovieLensColons(FrozenConfig):
    """1M and 10M: ``user::item::rating::time``, without a header.

    A separator of Polars is one byte. The content is therefore read into memory, and ``::`` is replaced by
    ASCII 31, the unit separator.
    """

    member: str = "ratings.dat"
    """The file's path in the archive. The last part of the path is enough if it is unique."""

    def read(self, path: Path) -> RawInteractions:
        """Scan ``ratings.dat`` and read ``movies.dat``."""
        file = open_raw(path, self.member)
        text = survey(file, words=["::", _UNIT])
        if text.occurrences[_UNIT]:
            raise RequestError(f"{file.name} holds control characters.", "Check that it is the right file.")
        content = text.load().replace(b"::", _UNIT.encode())
        units = replace(text, content=content, occurrences={_UNIT: text.occurrences["::"]})
        rows = scan_delimited(units, COLUMNS, _UNIT, header=False)
        return from_rows(rows, _ROLES, file.name).with_titles(listed_titles(file.beside("movies.dat"), "::"))


class MovieLensCsv(FrozenConfig):
    """20M, 25M, 32M and latest: header ``userId,movieId,rating,timestamp``. Lines end in LF or CRLF."""

    member: str = "ratings.csv"
    """The file's path in the archive. The last part of the path is enough if it is unique."""

    def read(self, path: Path) -> RawInteractions:
        """Scan ``ratings.csv`` and read ``movies.csv``."""
        file = open_raw(path, self.member)
        roles = {"user": "userId", "item": "movieId", "rating": "rating", "time": "timestamp"}
        titles = table_titles(file.beside("movies.csv"), "movieId", "title")
        return scan_headed(survey(file, words=[","]), roles, ",").with_titles(titles)
