"""RecBole's ``.inter`` files (Zhao et al. 2021): tab separated, a header of ``name:kind`` fields.

The atomic form has a row for each interaction (``user_id:token item_id:token rating:float
timestamp:float``). The sequence form has a row for each prediction (``user_id:token
item_id_list:token_seq item_id:token``): history and next item.
"""

from pathlib import Path

import polars as pl

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import RawFile, open_raw
from lrbench.data.readers.raw import RawInteractions
from lrbench.data.readers.tables import first_fields, interactions, scan_delimited
from lrbench.errors import RequestError, did_you_mean

__all__ = ["RecboleInter"]

_ROLES = {"user": "user_id", "item": "item_id", "rating": "rating", "time": "timestamp"}
_HISTORY = "item_id_list"


class RecboleInter(FrozenConfig):
    """Both forms, told apart by the header.

    Of the sequence form, a user's longest row (the last of them) stands for the user: in a test split
    that is the whole sequence, unless the writer cut histories at a maximum length.
    """

    member: str = ""
    """The file to read inside a zip archive."""

    def read(self, path: Path) -> RawInteractions:
        """Scan the rows.

        Raises:
            RequestError: the header names no user or no item.
        """
        file = open_raw(path, self.member)
        names = [field.partition(":")[0] for field in first_fields(file, "\t")]
        for column in ("user_id", "item_id"):
            if column not in names:
                raise RequestError(f'{file.name} has no column "{column}".', did_you_mean(column, names))
        table = scan_delimited(
            file.scannable(), pl.Schema(dict.fromkeys(names, pl.String())), "\t", header=True
        )
        if _HISTORY in names:
            return _sequences(table, file)
        present = {role: column for role, column in _ROLES.items() if column in names}
        return RawInteractions(interactions(table, present), file=file.name, first_line=2)


def _sequences(table: pl.LazyFrame, file: RawFile) -> RawInteractions:
    """Return the longest row of every user, users in the order of the file."""
    whole = pl.concat_list(pl.col(_HISTORY).str.split(" "), "item_id")
    longest = pl.col("item_id").sort_by(pl.col("item_id").list.len(), maintain_order=True).last()
    users = (
        table.select("user_id", whole.alias("item_id")).group_by("user_id", maintain_order=True).agg(longest)
    )
    return RawInteractions(
        interactions(users.explode("item_id"), {"user": "user_id", "item": "item_id"}),
        file=file.name,
        locate_fault=lambda: _faulty_line(table),
    )


def _faulty_line(table: pl.LazyFrame) -> str:
    """Say which is the first line with a field missing."""
    missing = pl.any_horizontal(pl.col("user_id", _HISTORY, "item_id").is_null())
    numbered = table.with_row_index("number", offset=2).filter(missing)
    return f"line {numbered.select('number').first().collect().item()}"
