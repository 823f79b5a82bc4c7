"""Cells, tables, and sections of tables that share their columns."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Cell", "Emphasis", "Section", "Table"]

Emphasis = Literal["none", "best", "second"]


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
class Section:
    """Tables with the same columns, one per dataset or comparison."""

    heading: str
    columns: tuple[str, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    """How to read them, in sentences."""

    aligned: Literal["left", "right"] = "right"
    """Side on which the columns after the first are flush: left where marks trail equally long numbers."""
