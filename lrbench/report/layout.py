"""How a report is laid out: which sections, how long, how wide. No number depends on it."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Layout", "Length", "Spread"]

Length = Literal["brief", "usual", "full"]
Spread = Literal["inline", "table", "none"]


@dataclass(frozen=True)
class Layout:
    """What a person may choose about the look of a report; every format heeds what applies to it."""

    tables: tuple[str, ...] = ()
    """Names of sections in the order to show them; empty: those that ``length`` says."""

    length: Length = "usual"
    """``brief``: the answer, the quality and the warnings. ``full``: every section, every warning."""

    column: bool = False
    """LaTeX: fit tables into one column of a two-column page instead of the whole page."""

    spread: Spread = "inline"
    """LaTeX: standard deviations beside the means, in a table of their own, or nowhere."""
