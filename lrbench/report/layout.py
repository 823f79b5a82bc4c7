"""How a report is laid out: which sections, how long, how wide. No number depends on it."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["ANSWERS", "WIDTHS", "Layout", "Length", "Spread"]

Length = Literal["brief", "usual", "full"]
Spread = Literal["inline", "table", "none"]

WIDTHS = {"column": 3.33, "text": 7.0}
"""Inches of a column and of the text of two-column classes (IEEEtran, acmart)."""

ANSWERS = ("overview", "answer")
"""Names of the sections with answers, which are first in documents and last on a terminal."""


@dataclass(frozen=True)
class Layout:
    """What a person may choose about the look of a report; each format uses what applies to it."""

    tables: tuple[str, ...] = ()
    """Names of sections in the order to show them; empty: those that belong to ``length``."""

    length: Length = "usual"
    """``brief``: the answer, the quality and the warnings. ``full``: every section and every warning."""

    width: Literal["column", "text"] | float = "text"
    """LaTeX: the width of tables. One column of a two-column page, the whole text of it, or inches."""

    spread: Spread = "inline"
    """LaTeX: where standard deviations are: beside the means, in a table of their own, or nowhere."""

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
        return WIDTHS[self.width] if isinstance(self.width, str) else self.width
