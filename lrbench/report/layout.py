"""How a report is laid out: which sections, how long, how wide. No number depends on it."""

from dataclasses import dataclass
from typing import Literal, get_args

from lrbench.errors import RequestError
from lrbench.names import check_list

__all__ = ["ANSWERS", "WIDTHS", "Layout", "Length", "Spread", "inches_of"]

Length = Literal["brief", "usual", "full"]
Spread = Literal["inline", "table", "none"]

WIDTHS = {"column": 3.33, "text": 7.0}
"""Inches of a column and of the text of two-column classes (IEEEtran, acmart)."""

_NARROWEST, _WIDEST = 1.5, 40.0

ANSWERS = ("overview", "answer")
"""Names of the sections with answers, which are first in documents and last on a terminal."""


@dataclass(frozen=True)
class Layout:
    """What a person may choose about the look of a report; each format uses what applies to it.

    Raises:
        RequestError: a value is none of those that are named here.
    """

    tables: tuple[str, ...] = ()
    """Names of sections in the order to show them; empty: those that belong to ``length``."""

    length: Length = "usual"
    """``brief``: the answer, the quality and the warnings. ``full``: every section and every warning."""

    width: Literal["column", "text"] | float = "text"
    """LaTeX: the width of tables. One column of a two-column page, the whole text of it, or inches."""

    spread: Spread = "inline"
    """LaTeX: where standard deviations are: beside the means, in a table of their own, or nowhere."""

    def __post_init__(self) -> None:
        check_list(self.tables, "tables")
        inches_of(self.width)
        for name, value, allowed in (("length", self.length, Length), ("spread", self.spread, Spread)):
            if value not in get_args(allowed):
                raise RequestError(
                    f'{name}="{value}" is unknown.', f"Choose from {', '.join(get_args(allowed))}."
                )

    @property
    def only_answers(self) -> bool:
        """Whether only answers are shown. Then provenance and warnings are left out, too."""
        return bool(self.tables) and {*self.tables} <= {*ANSWERS}

    @property
    def column(self) -> bool:
        """Whether tables stay in one column of a two-column page."""
        return self.width == "column"

    @property
    def width_inches(self) -> float:
        """The width to fit, in inches."""
        return inches_of(self.width)


def inches_of(width: str | float) -> float:
    """Return a width in inches.

    Args:
        width: ``column``, ``text`` or inches, as text or as a number.

    Raises:
        RequestError: it is none of them, or not between 1.5 and 40 inches.
    """
    if width in WIDTHS:
        return WIDTHS[str(width)]
    try:
        inches = float(width.removesuffix("in") if isinstance(width, str) else width)
    except ValueError:
        inches = 0.0
    if not _NARROWEST <= inches <= _WIDEST:
        raise RequestError(
            f'"{width}" is no width.',
            f"Give column, text or inches such as 3.33, from {_NARROWEST:g} to {_WIDEST:g}.",
        )
    return inches
