"""Grids: the rows of one or several tables, under columns with estimated widths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lrbench.report.formats.tex.text import breakable, escape, text_width
from lrbench.report.numbers import UNKNOWN
from lrbench.report.tables import Cell, Section, Table

__all__ = ["Column", "Grid", "GridBlock", "grid_of", "joined_grid"]

GAP = 8.0
"""Points between two columns: ``\\tabcolsep`` of 4 pt on both sides."""

THIN = 1.5
"""Points between a value and its spread or marks."""

MARK = 0.75
"""Size of superscripts and spreads relative to that of values."""

NARROWEST = 60.0
"""Smallest width to which a heading may be broken, in points."""


@dataclass(frozen=True)
class Column:
    """One column of numbers or words."""

    head: str
    group: str = ""
    """Heading above this column and its neighbours, such as a dataset; empty: none."""

    room: float = 0.0
    """Width in points to which words are broken into lines; 0: they are never broken."""

    right: bool = True
    """Whether cells without a spread or marks are aligned right."""


@dataclass(frozen=True)
class GridBlock:
    """Rows under a title of their own; an empty title is not shown."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Grid:
    """Blocks of rows with the same columns; the first cell of a row is its name."""

    corner: Column
    columns: tuple[Column, ...]
    blocks: tuple[GridBlock, ...]
    broken_heads: bool = False
    """Whether a heading that is wider than its columns is broken into lines."""

    def cells(self, index: int) -> list[Cell]:
        """Return all cells of a column; 0 is the first one after the names."""
        return [row[index + 1] for block in self.blocks for row in block.rows]

    def paired(self, index: int) -> bool:
        """Whether a column is printed as two, values and their spreads or marks, so that values align."""
        return any(cell.spread or cell.marks for cell in self.cells(index))

    def column_width(self, index: int) -> float:
        """Return the width of a column with its gap, in points."""
        column, cells = self.columns[index], self.cells(index)
        value = max((text_width(c.text, c.emphasis == "best") for c in cells), default=0.0)
        trail = max((_trail(cell) for cell in cells), default=0.0)
        return max(text_width(column.head), column.room or value + (THIN + trail if trail else 0)) + GAP

    @property
    def corner_width(self) -> float:
        """Width of the column of names with its gap, in points."""
        names = [row[0].text for block in self.blocks for row in block.rows]
        return max(text_width(self.corner.head), self.corner.room or max(map(text_width, names))) + GAP

    @property
    def width(self) -> float:
        """Width of the grid in points; a heading above several columns may be wider than they are."""
        return self.corner_width + sum(self._group_width(*run) for run in self.groups())

    def _group_width(self, first: int, stop: int) -> float:
        inside = sum(self.column_width(index) for index in range(first, stop))
        return max(inside, self._head_width(first, stop) + GAP)

    def _head_width(self, first: int, stop: int) -> float:
        """Return the width of the heading above some columns, in points."""
        head = text_width(self.columns[first].group)
        if not self.broken_heads:
            return head
        inside = sum(self.column_width(index) for index in range(first, stop)) - GAP
        return min(head, max(inside, NARROWEST))

    @property
    def lines(self) -> int:
        """Number of lines of the body, with the lines of broken names and words."""
        total = 0
        for block in self.blocks:
            total += 1 + (_lines(block.title, self._title_room) if block.title else 0)
            total += sum(self._lines_of(row) for row in block.rows)
        return total

    def _lines_of(self, row: Sequence[Cell]) -> int:
        rooms = [self.corner.room, *(column.room for column in self.columns)]
        return max(_lines(cell.text, room) for cell, room in zip(row, rooms, strict=True))

    @property
    def _title_room(self) -> float:
        """Width for the title of a block in points: that of all columns."""
        return max(self.width - GAP, 2.5 * NARROWEST)

    def groups(self) -> list[tuple[int, int]]:
        """Return runs of columns under one heading, as (first, stop).

        A column without a heading is a run of its own.
        """
        runs: list[tuple[int, int]] = []
        for index, column in enumerate(self.columns):
            before = self.columns[index - 1].group if index else ""
            if index and column.group and column.group == before:
                runs[-1] = (runs[-1][0], index + 1)
            else:
                runs.append((index, index + 1))
        return runs

    def only(self, first: int, stop: int) -> "Grid":
        """Return the grid with the columns from ``first`` to before ``stop``."""
        blocks = tuple(
            replace(block, rows=tuple((row[0], *row[first + 1 : stop + 1]) for row in block.rows))
            for block in self.blocks
        )
        return replace(self, columns=self.columns[first:stop], blocks=blocks)

    def without_spread(self) -> "Grid":
        """Return the grid without the numbers after ±."""
        return self._mapped(lambda cell: replace(cell, spread=""))

    def spreads(self) -> "Grid":
        """Return the grid with spreads in place of values."""
        return self._mapped(lambda cell: Cell(cell.spread or UNKNOWN))

    @property
    def has_spread(self) -> bool:
        """Whether any cell has a spread."""
        return any(cell.spread for index in range(len(self.columns)) for cell in self.cells(index))

    def _mapped(self, change: Callable[[Cell], Cell]) -> "Grid":
        blocks = tuple(
            replace(block, rows=tuple((row[0], *map(change, row[1:])) for row in block.rows))
            for block in self.blocks
        )
        return replace(self, blocks=blocks)

    def tabular(self) -> str:
        """Return the grid as a ``tabular`` with rules of booktabs."""
        spans = [2 if self.paired(index) else 1 for index in range(len(self.columns))]
        specification = "l" + "".join(
            r"r@{\,}l" if span == 2 else "r" if column.right and not column.room else "l"
            for span, column in zip(spans, self.columns, strict=True)
        )
        lines = [rf"\begin{{tabular}}{{{specification}}}", r"\toprule", *self._head(spans), r"\midrule"]
        for number, block in enumerate(self.blocks):
            if number:
                lines.append(r"\midrule")
            if block.title:
                title = _words(block.title, self._title_room)
                lines.append(rf"\multicolumn{{{1 + sum(spans)}}}{{l}}{{\itshape {title}}} \\")
            lines += [self._row(row, spans) for row in block.rows]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])

    def _head(self, spans: Sequence[int]) -> list[str]:
        lines, groups = [], [run for run in self.groups() if self.columns[run[0]].group]
        if groups:
            starts = [2 + sum(spans[:index]) for index in range(len(spans) + 1)]
            above = " & ".join(
                rf"\multicolumn{{{starts[stop] - starts[first]}}}{{c}}{{{self._heading(first, stop)}}}"
                for first, stop in groups
            )
            rules = "".join(rf"\cmidrule(lr){{{starts[first]}-{starts[stop] - 1}}}" for first, stop in groups)
            lines += [rf" & {above} \\", rules]
        heads = [escape(self.corner.head)]
        for column, span in zip(self.columns, spans, strict=True):
            text = escape(column.head)
            heads.append(rf"\multicolumn{{2}}{{c}}{{{text}}}" if span == 2 else text)
        return [*lines, " & ".join(heads) + r" \\"]

    def _heading(self, first: int, stop: int) -> str:
        text, room = self.columns[first].group, self._head_width(first, stop)
        if text_width(text) <= room:
            return escape(text)
        return rf"\parbox[b]{{{room:.0f}pt}}{{\centering {breakable(text, room)}}}"

    def _row(self, row: Sequence[Cell], spans: Sequence[int]) -> str:
        parts = [_words(row[0].text, self.corner.room)]
        for cell, column, span in zip(row[1:], self.columns, spans, strict=True):
            if span == 2:
                parts += [_value(cell), _after(cell)]
            else:
                parts.append(_words(cell.text, column.room) if column.room else _value(cell))
        return " & ".join(parts).rstrip() + r" \\"


def grid_of(section: Section, tables: Sequence[Table]) -> Grid:
    """Return a grid with one block per table, each under its title."""
    corner, *heads = section.columns
    columns = tuple(Column(head, right=section.side(head) == "right") for head in heads)
    return Grid(Column(corner), columns, tuple(GridBlock(table.title, table.rows) for table in tables))


def joined_grid(section: Section, tables: Sequence[Table]) -> Grid:
    """Return a grid with tables side by side: titles above columns, rows of the same name on one line."""
    corner, *heads = section.columns
    names = list(dict.fromkeys(row[0].text for table in tables for row in table.rows))
    columns = tuple(
        Column(head, table.title, right=section.side(head) == "right") for table in tables for head in heads
    )
    rows = []
    for name in names:
        cells = [Cell(name)]
        for table in tables:
            found = next((row for row in table.rows if row[0].text == name), None)
            cells += found[1:] if found else [Cell(UNKNOWN)] * len(heads)
        rows.append(tuple(cells))
    return Grid(Column(corner), columns, (GridBlock("", tuple(rows)),))


def _trail(cell: Cell) -> float:
    spread = text_width(f"±{cell.spread}") * MARK + THIN if cell.spread else 0.0
    return spread + text_width(cell.marks) * MARK


def _value(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.emphasis == "none":
        return text
    return rf"\{'textbf' if cell.emphasis == 'best' else 'underline'}{{{text}}}"


def _after(cell: Cell) -> str:
    spread = rf"{{\scriptsize$\pm$\,{escape(cell.spread)}}}" if cell.spread else ""
    return spread + (rf"\textsuperscript{{{escape(cell.marks)}}}" if cell.marks else "")


def _lines(text: str, room: float) -> int:
    """Estimate the number of lines of a text that is broken to ``room`` points; 0: it is not broken."""
    return 1 + int(1.25 * text_width(text) / room) if room and text_width(text) > room else 1


def _words(text: str, room: float) -> str:
    """Escape a text, and break it into lines if it is wider than ``room`` points; 0: never."""
    if not room or text_width(text) <= room:
        return escape(text)
    return rf"\parbox[t]{{{room:.0f}pt}}{{\raggedright\hangindent=1em {breakable(text, room)}\strut}}"
