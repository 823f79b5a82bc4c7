"""Sequence files that papers ship: interactions in time order, without ratings and mostly without times.

==========================================  ==========================================
source                                      form
==========================================  ==========================================
S3-Rec (Zhou et al. 2020)                   ``user item item …``, one user per line
SASRec (Kang & McAuley 2018)                ``user item``, one interaction per line
LC-Rec (Zheng et al. 2024)                  one JSON object, ``{"user": [item, …]}``
HVIDEO, HAMAZON (LightGC²N, 2024)           ``account item item …``, several per account
==========================================  ==========================================
"""

import json
from pathlib import Path
from typing import Any

import polars as pl

from lrbench.config.base import FrozenConfig
from lrbench.data.readers.archive import open_raw
from lrbench.data.readers.delimited import scan_delimited
from lrbench.data.readers.raw import RawInteractions
from lrbench.data.readers.survey import Text, survey
from lrbench.data.readers.tables import from_rows, interactions
from lrbench.errors import RequestError
from lrbench.polars_files import collected, scan_lines
from lrbench.wording import counted

__all__ = ["AccountRowsText", "LcRecJson", "S3RecLines", "SasrecPairs"]


class S3RecLines(FrozenConfig):
    """``user item item …``, one line per user; optionally, after a tab, the gap in seconds before each item.

    A time is the sum of the gaps so far. Gaps do not tell when a user began, so times of different users
    cannot be compared.
    """

    def read(self, path: Path) -> RawInteractions:
        """Scan the lines.

        Raises:
            RequestError: a line is malformed, or a user has two.
        """
        text = _surveyed(path)
        timed = "\t" in text.first_line()[1]
        users = _users(text, parts=2 if timed else 1)
        users = _with_times(users) if timed else users.select("line", "user", "item")
        _check_lines(users, text)
        _check_users_differ(users, text)
        columns = ["item", "time"] if timed else ["item"]
        return RawInteractions(
            interactions(users.explode(columns), {name: name for name in ("user", *columns)}),
            file=text.name,
            own_clocks=timed,
            notes=(*text.notes, *text.blank_notes),
        )


class AccountRowsText(FrozenConfig):
    """``account item item …``, separated by tabs: several overlapping rows per account, in any order.

    The form of HVIDEO and HAMAZON for shared-account models (LightGC²N, arXiv 2412.13408; the full sets are
    those of π-Net). Every row becomes a user ``ACCOUNT/NUMBER``. Numbers count an account's rows from 1.
    """

    def read(self, path: Path) -> RawInteractions:
        """Scan the rows.

        Raises:
            RequestError: a line is malformed.
        """
        text = _surveyed(path)
        fields = pl.col("text").str.strip_chars_end(" \r\t").str.split("\t")
        account, items = fields.list.first(), fields.list.slice(1)
        sound = (fields.list.len() > 1) & ~fields.list.contains("")
        number = pl.int_range(1, pl.len() + 1).over("account").cast(pl.String)
        rows = (
            _lines(text)
            .select(
                "line",
                pl.when(sound).then(account).alias("account"),
                pl.when(sound).then(items).alias("item"),
            )
            .with_columns(user=pl.col("account") + "/" + number)
        )
        _check_lines(rows, text)
        return RawInteractions(
            interactions(rows.explode("item"), {"user": "user", "item": "item"}),
            file=text.name,
            accounts=collected(rows.select("user", "account")),
            notes=(*text.notes, *text.blank_notes),
        )


class SasrecPairs(FrozenConfig):
    """``user item``, separated by a space. The lines of a user are together and in time order."""

    def read(self, path: Path) -> RawInteractions:
        """Scan the pairs."""
        text = survey(open_raw(path, ""), words=[" "])
        columns = pl.Schema({"user": pl.String, "item": pl.String})
        rows = scan_delimited(text, columns, " ", header=False)
        return from_rows(rows, {name: name for name in columns}, text.name)


class LcRecJson(FrozenConfig):
    """``{"user": [item, …]}``. A JSON object cannot be read line by line, so it is parsed whole."""

    def read(self, path: Path) -> RawInteractions:
        """Parse the object.

        Raises:
            RequestError: the file is no JSON object of lists of ids, or has a user twice.
        """
        file = open_raw(path, "")
        try:
            users = json.loads(file.load(), object_pairs_hook=list)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"{file.name} is not JSON: {error}.", "Check the reader.") from error
        if not isinstance(users, list) or not all(isinstance(pair, tuple) for pair in users):
            raise RequestError(f"{file.name} is no JSON object of users.", "Check the reader.")
        sequences = dict(users)
        if len(sequences) < len(users):
            names = [name for name, _ in users]
            twice = next(name for name in names if names.count(name) > 1)
            raise RequestError(f'{file.name} has the user "{twice}" twice.', "Merge the two sequences.")
        for user, items in users:
            if not _is_id(user) or not isinstance(items, list) or not all(map(_is_id, items)):
                raise RequestError(
                    f'{file.name}: user "{user}" has no list of item ids.', "Check the reader."
                )
        table = pl.DataFrame(
            {"user": list(sequences), "item": [list(map(str, items)) for items in sequences.values()]},
            schema={"user": pl.String, "item": pl.List(pl.String)},
        )
        empty = sum(not items for items in sequences.values())
        rows = table.lazy().explode("item", empty_as_null=False)
        return RawInteractions(
            interactions(rows, {"user": "user", "item": "item"}),
            file=file.name,
            count=sum(map(len, sequences.values())),
            notes=(f"{file.name}: {counted(empty, 'user')} without items left out.",) if empty else (),
        )


def _is_id(value: Any) -> bool:
    """Tell whether a JSON value is an id: a whole number, or text that is not blank and fits into UTF-8."""
    if isinstance(value, str):
        return bool(value.strip()) and not any("\ud800" <= sign <= "\udfff" for sign in value)
    return isinstance(value, int) and not isinstance(value, bool)


def _surveyed(path: Path) -> Text:
    """Survey a file whose lines end in LF or CRLF.

    Raises:
        RequestError: it has other carriage returns, which would be part of an id.
    """
    text = survey(open_raw(path, ""))
    if text.has_lone_returns:
        raise RequestError(f"{text.name} has carriage returns within lines.", "Convert its line ends.")
    return text


def _users(text: Text, parts: int) -> pl.LazyFrame:
    """Scan ``user item item …`` into one row per line.

    Args:
        text: the file.
        parts: 2 if every line has gaps after a tab, else 1.

    Returns:
        ``line``, its number from 1; ``user`` and ``item``, a list, both null where the line is malformed;
        ``gaps``, the texts after the tab, or null.
    """
    sides = pl.col("text").str.strip_chars(" \r\t").str.split("\t")
    fields = sides.list.first().str.split(" ")
    user, items = fields.list.first(), fields.list.slice(1)
    sound = (fields.list.len() > 1) & ~fields.list.contains("") & (sides.list.len() == parts)
    return _lines(text).select(
        "line",
        pl.when(sound).then(user).alias("user"),
        pl.when(sound).then(items).alias("item"),
        sides.list.get(1, null_on_oob=True).str.split(" ").alias("gaps"),
    )


def _lines(text: Text) -> pl.LazyFrame:
    """Scan the lines that are not blank: ``line``, its number from 1, and ``text``."""
    lines = scan_lines(text.content, name="text").with_row_index("line", offset=1)
    if not len(text.blank):
        return lines
    return lines.filter(~pl.col("line").is_in(pl.Series(text.blank, dtype=pl.UInt32).implode()))


def _with_times(users: pl.LazyFrame) -> pl.LazyFrame:
    """Turn the gaps of each user into times; null where there is not one whole number from 0 on per item."""
    gaps = pl.col("gaps").list.eval(pl.element().cast(pl.Int64, strict=False))
    times = gaps.list.eval(pl.element().cum_sum())
    sound = (gaps.list.len() == pl.col("item").list.len()) & ~gaps.list.contains(None)
    sound &= (gaps.list.min() >= 0) & (times.list.min() >= 0)  # a sum beyond 64 bits becomes negative
    return users.select(
        "line",
        pl.when(sound).then(pl.col("user", "item")),
        pl.when(sound).then(times).alias("time"),
    )


def _check_lines(users: pl.LazyFrame, text: Text) -> None:
    """Refuse a file with a malformed line, or one that lost lines."""
    first = pl.col("line").filter(pl.col("user").is_null()).first()
    counts = pl.len().alias("rows"), pl.col("user").null_count().alias("malformed"), first
    rows, malformed, line = collected(users.select(counts)).row(0)
    if malformed:
        raise RequestError(
            f"{text.name}, line {line}: a field is missing or of the wrong kind "
            f"(malformed: {malformed:,} of {rows:,} lines).",
            "Correct the file, or check that the reader fits it.",
        )
    if rows != text.lines - len(text.blank):
        raise RequestError(
            f"{text.name} was not read completely: {text.lines - len(text.blank):,} lines became {rows:,}.",
            "Check the reader.",
        )


def _check_users_differ(users: pl.LazyFrame, text: Text) -> None:
    """Refuse a file with two lines of one user: only the file's author knows whether one continues the other.

    Raises:
        RequestError: naming the user and the second line.
    """
    again = users.filter(~pl.col("user").is_first_distinct()).select("line", "user")
    found = collected(again.head(1))
    if len(found):
        line, user = found.row(0)
        raise RequestError(
            f'{text.name}, line {line}: the user "{user}" has a line before this one.',
            "Merge the lines, or check that the reader fits the file.",
        )
