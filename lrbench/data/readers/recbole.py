"""RecBole's ``.inter`` files (Zhao et al. 2021): separated by tabs, with a header of ``name:kind`` fields.

========  ===================  ===================================================================
form      one row per          header
========  ===================  ===================================================================
atomic    interaction          ``user_id:token item_id:token rating:float timestamp:float``
sequence  history and target   ``user_id:token item_id_list:token_seq item_id:token``
========  ===================  ===================================================================
"""

from dataclasses import replace
from pathlib import Path

import polars as pl

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import open_raw
from lrbench.data.readers.delimited import UNEVEN, Rows, first_fields, scan_delimited
from lrbench.data.readers.raw import RawInteractions
from lrbench.data.readers.survey import survey
from lrbench.data.readers.tables import check_names_differ, from_rows, interactions
from lrbench.errors import RequestError, did_you_mean
from lrbench.polars_files import collected

__all__ = ["RecboleInter"]

_ROLES = {"user": "user_id", "item": "item_id", "rating": "rating", "time": "timestamp"}
_HISTORY = "item_id_list"


class RecboleInter(FrozenConfig):
    """Both forms, told apart by the header.

    In the sequence form, each user's longest row is used; of several longest ones, the last. In a test split
    that is the whole sequence, unless the writer cut histories at a maximum length.
    """

    member: str = ""
    """The file to read inside a zip archive."""

    def read(self, path: Path) -> RawInteractions:
        """Scan the rows.

        Raises:
            RequestError: the header lacks the user or the item, or names a column twice.
        """
        file = open_raw(path, self.member)
        text = survey(file, words=["\t"])
        names = [field.partition(":")[0] for field in first_fields(text, "\t", quotes=False)]
        for column in ("user_id", "item_id"):
            if column not in names:
                raise RequestError(f'{file.name} has no column "{column}".', did_you_mean(column, names))
        check_names_differ(names, file.name)
        rows = scan_delimited(text, pl.Schema(dict.fromkeys(names, pl.String())), "\t", header=True)
        if _HISTORY in names:
            return _sequences(rows, file.name)
        present = {role: column for role, column in _ROLES.items() if column in names}
        raw = from_rows(rows, present, file.name)
        if "time" in present:
            return raw
        note = f"{file.name} has no column timestamp, so rows are taken to be in order."
        return replace(raw, notes=(*raw.notes, note))


def _sequences(rows: Rows, file: str) -> RawInteractions:
    """Return the longest row of every user, users in the order of the file.

    Raises:
        RequestError: a line lacks a field, or rows were lost.
    """
    whole = pl.concat_list(pl.col(_HISTORY).str.split(" "), "item_id")
    table = rows.frame.select("user_id", whole.alias("item_id"), UNEVEN)
    _check_lines(table, rows, file)
    longest = pl.col("item_id").sort_by(pl.col("item_id").list.len(), maintain_order=True).last()
    users = table.group_by("user_id", maintain_order=True).agg(longest)
    return RawInteractions(
        interactions(users.explode("item_id"), {"user": "user_id", "item": "item_id"}),
        file=file,
        notes=(*rows.notes, f"{file}: of the {rows.count:,} rows, the longest of each user is used."),
    )


def _check_lines(table: pl.LazyFrame, rows: Rows, file: str) -> None:
    """Refuse a row in which a field or an item is missing or superfluous. Refuse a file that lost rows."""
    missing = pl.any_horizontal(
        pl.col("user_id", "item_id").is_null(),
        pl.col("item_id").list.contains("").fill_null(True),
        pl.col(UNEVEN).is_not_null(),
    )
    found = collected(table.select(pl.len().alias("rows"), missing.arg_true().first().alias("faulty")))
    count, faulty = found.row(0)
    if faulty is not None:
        raise RequestError(
            f"{file}, line {rows.line_of(faulty)}: a field is missing or superfluous.",
            "Correct the file, or check that the reader fits it.",
        )
    if count != rows.count:
        raise RequestError(
            f"{file} was not read completely: {rows.count:,} rows became {count:,}.", "Check the reader."
        )
