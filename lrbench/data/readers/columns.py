"""What a column may hold, by role and type. A value is kept exactly or refused.

==========  ==========================================================================================
role        what is kept
==========  ==========================================================================================
user, item  text as it is; whole numbers as their digits; decimals as written
rating      any finite number; single and half precision as the shortest decimal (4.1, not
            4.0999999)
time        whole numbers of at most 64 bits, in the unit of the file; dates and times as microseconds
            since 1970, with their time zone taken into account
==========  ==========================================================================================

Whole numbers that are stored as floating point must be below 2⁵³ (single precision: 2²⁴, half: 2¹¹). From
there on, two neighbouring whole numbers can have the same floating-point value.

An empty field, null, NaN and a text of blanks count as missing. Other types are refused.
"""

import re
from collections.abc import Mapping

import polars as pl

from lrbench.errors import RequestError

__all__ = ["check_kind", "check_time_format", "picked", "wanted"]

_EXACT: dict[type[pl.DataType], int] = {pl.Float32: (1 << 24) - 1, pl.Float64: (1 << 53) - 1}
"""The largest whole number to which no other whole number is rounded."""

_HALF_PRECISION = (1 << 11) - 1  # the same of other floating-point types
_HALF_DIGITS = 5  # these tell any two numbers of half precision apart
_DAYS = (-719_162, 2_932_896)  # the years 1 to 9999 in days since 1970
_DAY = 86_400_000  # milliseconds
_DIRECTIVE = re.compile(r"%[-_0]?(\.[369]?f|[369]?f|:{0,3}z|#z|[A-Za-z+%])")
_WITH_YEAR = frozenset("YyCGgDFcxsv+")  # directives that include the year
_DIGITS_BEYOND = r"\.\d{6}\d*[1-9]"  # decimals of a second that are finer than a microsecond


def picked(
    schema: Mapping[str, pl.DataType], roles: Mapping[str, str], time_format: str | None
) -> dict[str, pl.Expr]:
    """Return the expression of each role's values; null where a value is missing or of the wrong kind.

    Args:
        schema: the table's columns and their types.
        roles: the column of each role.
        time_format: how times are written; ``None`` if they are numbers or dates.
    """
    found = {}
    for role, name in roles.items():
        column, kind = pl.col(name), schema[name]
        if role == "time":
            found[role] = _time(column, kind, time_format)
        else:
            found[role] = _rating(column, kind) if role == "rating" else _identifier(column, kind)
    return found


def check_kind(role: str, name: str, kind: pl.DataType, file: str) -> None:
    """Refuse a column of a type that cannot have this role.

    Raises:
        RequestError: the type does not fit; the message names the column and what the role needs.
    """
    numbers = kind.is_numeric() or isinstance(kind, pl.String | pl.Null | pl.Categorical | pl.Enum)
    allowed = {
        "user": numbers or isinstance(kind, pl.Binary),
        "item": numbers or isinstance(kind, pl.Binary),
        "rating": numbers,
        "time": numbers or isinstance(kind, pl.Date | pl.Datetime),
    }
    if not allowed[role]:
        raise RequestError(
            f'{file}: the column "{name}" has the type {kind}, but {role} needs {wanted(role, None)}.',
            "Name another column, or convert this one.",
        )


def wanted(role: str, time_format: str | None, kind: pl.DataType | None = None) -> str:
    """Describe the values that a role needs, for messages.

    Args:
        role: ``user``, ``item``, ``rating`` or ``time``.
        time_format: how times are written; ``None`` if they are numbers or dates.
        kind: the column's type; ``None`` where it does not matter.
    """
    exact = (
        ""
        if kind is None or not kind.is_float()
        else f" of at most {_EXACT.get(type(kind), _HALF_PRECISION):,}"
    )
    if role == "rating":
        return "a number"
    if role != "time":
        return f"an id as text or a whole number{exact}"
    if time_format is not None:
        decimals = " with at most six decimals of a second" if "f" in time_format else ""
        return f"a time written as {time_format}{decimals}"
    if kind is not None and kind.is_temporal():
        return "a date of the years 1 to 9999 with at most microseconds"
    return f"a whole number{exact} such as seconds (or, for dates, time_format=%Y-%m-%d)"


def check_time_format(time_format: str) -> str:
    """Return the format as Polars writes it: there, ``%.f`` is a point and the decimals of a second.

    Raises:
        ValueError: it has no year, names time zones in words, or has fractions that follow no point.
    """
    directives = _DIRECTIVE.findall(time_format)
    if not _WITH_YEAR & set(directives):
        raise ValueError("it has no year, so times cannot be put in order")
    if "Z" in directives:
        raise ValueError("names of time zones (%Z) are not understood; offsets such as +02:00 (%z) are")
    plain = re.sub(r"(?<!%)\.%f", "%.f", time_format)
    if "f" in _DIRECTIVE.findall(plain):
        raise ValueError("fractions of a second must come after a point: %S.%f")
    return plain


def _identifier(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Return ids as text; null where there is none."""
    if kind.is_float():
        column = _whole(column, kind)
    text = column.cast(pl.String, strict=False)
    return pl.when(text.str.strip_chars() != "").then(text)


def _rating(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Return finite numbers as 64-bit floating point."""
    if kind == pl.Float16:
        column = _shortest(column)
    elif kind == pl.Float32:
        column = column.cast(pl.String)
    elif isinstance(kind, pl.String | pl.Categorical | pl.Enum):
        column = column.cast(pl.String).str.strip_chars()
    number = column.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _shortest(half: pl.Expr) -> pl.Expr:
    """Return numbers of half precision as the shortest decimals that mean them, unlike Polars' text."""
    decimals = [half.cast(pl.Float64).round_sig_figs(digits) for digits in range(1, _HALF_DIGITS)]
    found = [pl.when(decimal.cast(pl.Float16) == half).then(decimal) for decimal in decimals]
    return pl.coalesce(*found, half.cast(pl.Float64).round_sig_figs(_HALF_DIGITS))


def _time(column: pl.Expr, kind: pl.DataType, time_format: str | None) -> pl.Expr:
    """Return times as 64-bit integers: whole numbers as they are, dates in microseconds since 1970."""
    if time_format is not None:
        form = check_time_format(time_format)
        text = column.cast(pl.String).str.strip_chars()
        if "f" in form:
            text = pl.when(~text.str.contains(_DIGITS_BEYOND)).then(text)
        return text.str.to_datetime(form, time_unit="us", strict=False).dt.timestamp("us")
    if kind.is_temporal():
        return _moment(column, kind)
    if kind.is_float():
        return _whole(column, kind)
    if not kind.is_integer():  # text may have more digits than a floating-point number keeps
        text = column.cast(pl.String).str.strip_chars()
        whole = _whole(text.cast(pl.Float64, strict=False), pl.Float64())
        return pl.coalesce(text.cast(pl.Int64, strict=False), whole)
    return column.cast(pl.Int64, strict=False)


def _moment(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Return dates as microseconds since 1970; null for finer times and for years other than 1 to 9999."""
    stored = column.to_physical()
    if not isinstance(kind, pl.Datetime):
        return pl.when(stored.is_between(*_DAYS)).then(column).dt.timestamp("us")
    if kind.time_unit == "ns":
        return pl.when(stored % 1000 == 0).then(stored // 1000)
    a_day = _DAY * (1000 if kind.time_unit == "us" else 1)
    within = stored.is_between(_DAYS[0] * a_day, (_DAYS[1] + 1) * a_day - 1)
    return pl.when(within).then(column).dt.timestamp("us")


def _whole(number: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Return floating-point numbers as integers; null where they are not whole, or too large to be exact."""
    wide = number.cast(pl.Float64)  # Polars takes every number of half precision for whole
    exact = (wide == wide.floor()) & (wide.abs() <= _EXACT.get(type(kind), _HALF_PRECISION))
    return pl.when(exact).then(wide).cast(pl.Int64, strict=False)
