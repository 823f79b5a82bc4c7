"""Ready-made sequence files that papers use: interactions in time order, without ratings and mostly times.

S3-Rec (Zhou et al. 2020): ``user item item …``, a user a line. SASRec (Kang & McAuley 2018): ``user item``,
an interaction a line. LC-Rec (Zheng et al. 2024): one JSON object, ``{"user": [item, …]}``.
"""

import json
from pathlib import Path

import polars as pl

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import open_raw
from lrbench.data.readers.raw import RawInteractions
from lrbench.data.readers.tables import interactions, scan_delimited
from lrbench.errors import RequestError

__all__ = ["LcRecJson", "S3RecLines", "SasrecPairs"]


class S3RecLines(FrozenConfig):
    """``user item item …``; optionally, after a tab, the gap in seconds before each item.

    Gaps give times up to an unknown start of each user: 0 at the user's first interaction.
    """

    def read(self, path: Path) -> RawInteractions:
        """Scan the lines."""
        file = open_raw(path, "")
        timed = b"\t" in next(file.lines(), b"")
        users = _with_times(_users(file.scannable())) if timed else _users(file.scannable())
        columns = [name for name in ("item", "time") if name in users.collect_schema()]
        return RawInteractions(
            interactions(users.explode(columns), {name: name for name in ("user", *columns)}),
            file=file.name,
            locate_fault=lambda: _faulty_line(users),
            own_clocks=timed,
        )


class SasrecPairs(FrozenConfig):
    """``user item``, separated by a space, users together and each in time order."""

    def read(self, path: Path) -> RawInteractions:
        """Scan the pairs."""
        file = open_raw(path, "")
        columns = pl.Schema({"user": pl.String, "item": pl.String})
        table = scan_delimited(file.scannable(), columns, " ", header=False)
        return RawInteractions(interactions(table, {name: name for name in columns}), file=file.name)


class LcRecJson(FrozenConfig):
    """``{"user": [item, …]}``: JSON has no lines to stream by, so the object is parsed whole."""

    def read(self, path: Path) -> RawInteractions:
        """Parse the object.

        Raises:
            RequestError: it is no object of lists of ids.
        """
        file = open_raw(path, "")
        try:
            sequences = json.loads(file.load())
        except ValueError as error:
            raise RequestError(f"{file.name} is not JSON: {error}.", "Check the reader.") from error
        if not isinstance(sequences, dict):
            raise RequestError(f"{file.name} is no JSON object of users.", "Check the reader.")
        for user, items in sequences.items():
            if not isinstance(items, list) or not all(isinstance(item, int | str) for item in items):
                raise RequestError(
                    f'{file.name}: user "{user}" has no list of item ids.', "Check the reader."
                )
        table = pl.DataFrame(
            {
                "user": list(sequences),
                "item": [[str(item) for item in items] for items in sequences.values()],
            },
            schema={"user": pl.String, "item": pl.List(pl.String)},
        )
        rows = table.lazy().explode("item", empty_as_null=False)
        return RawInteractions(interactions(rows, {"user": "user", "item": "item"}), file=file.name)


def _users(content: Path | bytes) -> pl.LazyFrame:
    """Scan ``user item item …`` to a row a user with a list of items; both null where it is malformed."""
    sides = pl.col("line").str.strip_chars().str.split("\t")
    fields = sides.list.first().str.split(" ")
    user, items = fields.list.first(), fields.list.slice(1)
    sound = (fields.list.len() > 1) & ~fields.list.contains("")
    return pl.scan_lines(content, name="line").select(
        pl.when(sound).then(user).alias("user"),
        pl.when(sound).then(items).alias("item"),
        sides.list.get(1, null_on_oob=True).str.split(" ").alias("gaps"),
    )


def _with_times(users: pl.LazyFrame) -> pl.LazyFrame:
    """Add up the gaps; a user whose gaps do not go with the items is malformed."""
    gaps = pl.col("gaps").list.eval(pl.element().cast(pl.Int64, strict=False))
    sound = (gaps.list.len() == pl.col("item").list.len()) & ~gaps.list.contains(None)
    return users.select(
        pl.when(sound).then(pl.col("user", "item")),
        pl.when(sound).then(gaps.list.eval(pl.element().cum_sum())).alias("time"),
    )


def _faulty_line(users: pl.LazyFrame) -> str:
    """Say which is the first malformed line."""
    numbered = users.with_row_index("number", offset=1).filter(pl.col("user").is_null())
    return f"line {numbered.select('number').first().collect().item()}"
