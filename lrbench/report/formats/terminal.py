"""The report for a terminal: as wide as it is, in several blocks of columns where it is narrow.

Where styles cannot be shown (a pipe, a file) a sign before the number stands for bold and underlined.
"""

import io
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Section, Table, make_sections

__all__ = ["Terminal"]

STYLES = {"none": "", "best": "bold", "second": "underline"}
SIGNS = {"none": " ", "best": "*", "second": "_"}
GAP = 2
"""Blanks between columns."""


@dataclass(frozen=True)
class Terminal:
    """Text tables."""

    width: int | None = None
    """Columns of the terminal; none: those of the terminal in use."""

    styled: bool | None = None
    """Whether bold and underlined can be shown; none: if standard output is a terminal."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the report, with escape sequences only where styles can be shown."""
        styled = sys.stdout.isatty() if self.styled is None else self.styled
        file = io.StringIO()
        console = Console(
            file=file,
            width=self.width,
            force_terminal=styled,
            highlight=False,
            markup=False,
            emoji=False,
        )
        console.print(Text(f"{report.suite} · {report.protocol.name}", style="bold"))
        quality, *others = make_sections(report, layout)
        _print(console, quality, styled)
        if not styled:
            console.print("Before a number: * best, _ second.")
        for warning in report.warnings:
            console.print(Text(f"Warning: {warning}", style="yellow"))
        for section in others:
            _print(console, section, styled)
        return file.getvalue()


def _print(console: Console, section: Section, styled: bool) -> None:
    for table in section.tables:
        console.print()
        console.print(Text(table.title, style="bold"))
        for first, stop in _blocks(section, table, console.width, styled):
            block = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
            block.add_column(section.columns[0], overflow="fold")
            for name in section.columns[first:stop]:
                block.add_column(name, justify=section.aligned, no_wrap=True)
            for row in table.rows:
                block.add_row(row[0].text, *(_text(cell, styled) for cell in row[first:stop]))
            console.print(block)
    for note in section.notes:
        console.print(Text(note, style="dim"))


def _blocks(section: Section, table: Table, width: int, styled: bool) -> Iterator[tuple[int, int]]:
    """Split the columns after the first into about equal runs that fit beside it."""
    widths = [
        max(len(name), *(len(_text(row[index], styled)) for row in table.rows)) + GAP
        for index, name in enumerate(section.columns)
    ]
    room = width - min(widths[0], width // 3)
    runs = list(_runs(widths, room, len(widths)))
    yield from _runs(widths, room, math.ceil((len(widths) - 1) / len(runs)))


def _runs(widths: list[int], room: int, most: int) -> Iterator[tuple[int, int]]:
    """Take as many columns as there is room for, at most ``most`` and at least one."""
    first = 1
    while first < len(widths):
        stop = first + 1
        while stop < min(len(widths), first + most) and sum(widths[first : stop + 1]) <= room + GAP:
            stop += 1
        yield first, stop
        first = stop


def _text(cell: Cell, styled: bool) -> Text:
    text = Text(cell.text, style=STYLES[cell.emphasis])
    spread = f" ± {cell.spread}" if cell.spread else ""
    return (
        Text("" if styled else SIGNS[cell.emphasis])
        + text
        + Text(f"{spread}{cell.marks and ' '}{cell.marks}")
    )
