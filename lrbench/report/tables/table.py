"""Cells, tables, and sections: paragraphs, then tables that share their columns."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["INDENT", "Cell", "Emphasis", "Paragraph", "Section", "Table"]

Emphasis = Literal["none", "best", "second"]

INDENT = "\u00a0\u00a0"
"""Before the name of a row that belongs to the one above it."""


@dataclass(frozen=True)
class Cell:
    """One cell."""

    text: str
    spread: str = ""
    """What stands behind ±; may be empty."""

    emphasis: Emphasis = "none"
    """The best is bold, the second underlined."""

    marks: str = ""
    """Superscripts: daggers with their letters, ≈."""


@dataclass(frozen=True)
class Table:
    """Rows under a title; the first cell of each names it."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Paragraph:
    """Prose under a short title."""

    title: str
    text: str
    code: bool = False
    """Whether to show the text as it is, with its line breaks."""


@dataclass(frozen=True)
class Section:
    """Tables with the same columns, one per dataset or comparison, after any paragraphs."""

    heading: str
    columns: tuple[str, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    """How to read them, in sentences."""

    aligned: Literal["left", "right"] = "right"
    """Side on which columns of numbers are flush: left where marks trail equally long numbers."""

    words: tuple[str, ...] = ()
    """Columns that hold words, which are flush left."""

    paragraphs: tuple[Paragraph, ...] = ()
    """Prose before the tables."""

    name: str = ""
    """The name by which a person asks for it; ``make_sections`` sets it."""

    def side(self, column: str) -> Literal["left", "right"]:
        """Return the side on which a column is flush; the first names the rows."""
        return "left" if column == self.columns[0] or column in self.words else self.aligned
