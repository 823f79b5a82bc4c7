"""Cells, tables and sections. A section is some paragraphs, then tables with the same columns."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["INDENT", "Cell", "Emphasis", "Paragraph", "Section", "Table"]

Emphasis = Literal["none", "best", "second"]

INDENT = "\u00a0\u00a0"
"""Written before the name of a row that belongs to the row above it."""


@dataclass(frozen=True)
class Cell:
    """One cell."""

    text: str
    spread: str = ""
    """The number after ±; may be empty."""

    emphasis: Emphasis = "none"
    """The best is bold, the second underlined."""

    marks: str = ""
    """Superscripts: daggers with their letters, ≈."""


@dataclass(frozen=True)
class Table:
    """Rows under a title; the first cell of a row is its name."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Paragraph:
    """Prose under a short title."""

    title: str
    text: str
    code: bool = False
    """Whether to print the text verbatim, with its line breaks."""


@dataclass(frozen=True)
class Section:
    """Tables with the same columns, one per dataset or comparison, after any paragraphs."""

    heading: str
    columns: tuple[str, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    """How to read them, in sentences."""

    aligned: Literal["left", "right"] = "right"
    """Alignment of columns of numbers: left where marks follow numbers of equal length."""

    words: tuple[str, ...] = ()
    """Columns that hold words; they are aligned left."""

    paragraphs: tuple[Paragraph, ...] = ()
    """Prose before the tables."""

    name: str = ""
    """The name that ``--tables`` takes; ``make_sections`` sets it."""

    def side(self, column: str) -> Literal["left", "right"]:
        """Return the alignment of a column; the first column, with the names of rows, is aligned left."""
        return "left" if column == self.columns[0] or column in self.words else self.aligned
