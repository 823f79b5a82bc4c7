"""Groups of users from the person's own table: categories of users, or of the items they are tested on.

The table is a CSV or Parquet file. Its column ``user`` or ``item`` holds the raw ids of the data. Each other
column is one way to group.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from lrbench.errors import RequestError
from lrbench.polars_files import REFUSALS, collected, read_parquet, scan_csv
from lrbench.text import shortened
from lrbench.wording import some_of

__all__ = ["GroupTable", "read_group_table"]

ABSENT = "not given"
"""The group of users whose row or value the table lacks."""

SEVERAL = "several"
"""The group of users whose targets are in different groups."""

_MOST_CATEGORIES = 12
_LONGEST_NAME = 40


@dataclass(frozen=True)
class GroupTable:
    """Categories of users or items, as text."""

    path: Path
    key: Literal["user", "item"]
    rows: pl.DataFrame
    """The key, each value once, and a column of text for each way to group."""

    @property
    def columns(self) -> list[str]:
        """The ways to group."""
        return [name for name in self.rows.columns if name != self.key]

    def categories(self, targets: pl.DataFrame) -> pl.DataFrame | None:
        """Return the category of each user by each column, or `None` where the table has none of the keys.

        Args:
            targets: the columns ``user`` and ``target`` with raw ids. A user may have several targets.

        Returns:
            The column ``user``, with each user once in the order of ``targets``, and the table's columns.
        """
        keyed = targets.with_columns(item="target").select("user", *(["item"] if self.key == "item" else []))
        joined = keyed.join(self.rows, on=self.key, how="left", maintain_order="left")
        if not keyed[self.key].is_in(self.rows[self.key].implode()).any():
            return None
        given = (pl.col(name).fill_null(ABSENT) for name in self.columns)
        one = (
            pl.when(pl.col(name).n_unique() == 1).then(pl.col(name).first()).otherwise(pl.lit(SEVERAL))
            for name in self.columns
        )
        return joined.with_columns(given).group_by("user", maintain_order=True).agg(one)


def read_group_table(path: Path) -> GroupTable:
    """Read a table of groups.

    Raises:
        RequestError: the file cannot be read or is not a table of groups; the message says why.
    """
    table = _read(path)
    keys = [name for name in ("user", "item") if name in table.columns]
    if len(keys) != 1:
        found = "both of the columns user and item" if keys else "no column user or item"
        raise RequestError(
            f"{path} has {found}. Its columns: {some_of([shortened(name) for name in table.columns])}.",
            "Give it one column user or item with the ids of the raw data, and columns of categories.",
        )
    key: Literal["user", "item"] = "user" if keys == ["user"] else "item"
    rows = table.filter(pl.col(key).is_not_null())
    result = GroupTable(path, key, rows)
    if rows.is_empty() or not result.columns:
        lack = "no rows" if result.columns else f"no column besides {key}"
        raise RequestError(f"{path} has {lack}.", "Add a column of categories, such as country.")
    if rows[key].is_duplicated().any():
        twice = shortened(str(rows[key].filter(rows[key].is_duplicated())[0]))
        raise RequestError(f'{path} has several rows of the {key} "{twice}".', f"Keep one row per {key}.")
    for name in result.columns:
        _check_column(path, rows[name])
    return result


def _read(path: Path) -> pl.DataFrame:
    """Read every column as text."""
    if not path.is_file():
        raise RequestError(f"There is no file {path}.", "Give the path of a CSV or Parquet file.")
    try:
        if path.suffix == ".parquet":
            table = read_parquet(path)
        else:
            separator = "\t" if path.suffix == ".tsv" else ","
            table = collected(scan_csv(path, infer_schema=False, separator=separator))
        return table.select(pl.all().cast(pl.String))
    except REFUSALS as error:
        reason = shortened(str(error).split("\n", 1)[0].rstrip("."), 200)
        raise RequestError(
            f"{path} cannot be read as a table: {reason}.", "Save it as CSV (UTF-8, commas) or as Parquet."
        ) from None


def _check_column(path: Path, column: pl.Series) -> None:
    """Refuse a column with too many categories, or with names that no table can print."""
    names = [str(name) for name in column.drop_nulls().unique().sort()]
    if len(names) > _MOST_CATEGORIES:
        raise RequestError(
            f'{path}: the column "{shortened(column.name)}" has {len(names):,} categories, more than '
            f"{_MOST_CATEGORIES}.",
            "Merge them into a few, such as ranges of ages, or leave the column out.",
        )
    for name in (column.name, *names):
        if not name.strip() or name != shortened(name, _LONGEST_NAME):
            raise RequestError(
                f'{path}: "{shortened(name, _LONGEST_NAME)}" cannot be printed as the name of a group.',
                f"Use at most {_LONGEST_NAME} visible characters.",
            )
