"""The report for a terminal. Tables use its width; on a narrow one, they are split into blocks of columns.

Where styles cannot be shown (a pipe, a file), a sign before the number replaces bold and underlined.
"""

import io
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from lrbench.report.formats.captions import BOLD, SIGNS, caption_and_details
from lrbench.report.layout import ANSWERS, Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Section, Table, made_by, make_sections
from lrbench.report.warnings import grouped, summarised

__all__ = ["Terminal"]

STYLES = {"none": "", "best": "bold", "second": "underline"}
BEFORE = {"none": " ", "best": "*", "second": "_"}
GAP = 2
"""Blanks between columns."""

KEPT = "\ufdd0"
"""Stands for a blank at which no line may end. It is no character, so no text contains it."""

_TOGETHER = re.compile(r"(?<=\d) (?=%)|(?<=±) (?=\d)|(?<=\bp) (?=[=<])|(?<=[=<]) (?=[\d.])")
"""Blanks within a number and its unit or sign: 5 %, ± 2 %, p = 0.04."""


@dataclass(frozen=True)
class Terminal:
    """Text tables."""

    width: int | None = None
    """Width in characters; `None`: that of the terminal in use."""

    styled: bool | None = None
    """Whether bold and underlined can be shown; `None`: yes if standard output is a terminal."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the report, with escape sequences only where styles can be shown.

        The answer is last, as the end of the output stays on the screen.
        """
        layout = layout or Layout()
        styled = _can_show_styles() if self.styled is None else self.styled
        file = io.StringIO()
        console = Console(
            file=file,
            width=self.width,
            force_terminal=styled,
            highlight=False,
            markup=False,
            emoji=False,
        )
        if not layout.only_answers:
            console.print(Text(f"{report.suite} · {report.protocol.name}", style="bold"))
        sections = {section.name: section for section in make_sections(report, layout)}
        answers = [sections.pop(name) for name in ANSWERS if name in sections]
        if layout.length != "full" and "provenance" not in layout.tables:
            sections.pop("provenance", None)
        for section in sections.values():
            _print(console, report, section, styled)
        if not layout.only_answers:
            console.print()
            _foot(console, report, layout)
        for answer in answers:
            _print(console, report, answer, styled)
        return file.getvalue().replace(KEPT, " ")


def _can_show_styles() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _foot(console: Console, report: Report, layout: Layout) -> None:
    """Print the software and machines of the trials, then the warnings."""
    console.print(_prose(made_by(report.provenance), "dim"))
    if layout.length != "full":
        for line in summarised(report.warnings):
            console.print(_prose(f"Warning: {line}", "yellow"))
        return
    for group in grouped(report.warnings):
        console.print(_prose(f"Warning: {group.summary}", "yellow"))
        for detail in group.details:
            console.print(Padding(_prose(f"- {detail}"), (0, 0, 0, 2)))


def _print(console: Console, report: Report, section: Section, styled: bool) -> None:
    if section.paragraphs:
        console.print()
        console.print(Text(section.heading, style="bold"))
    for paragraph in section.paragraphs:
        title = Text(paragraph.title, style="bold")
        console.print(title + Text("\n" if paragraph.code else " ") + _prose(paragraph.text))
    for table in section.tables:
        _print_table(console, section, table, styled)
    if section.notes:
        caption, details = caption_and_details(report, section, BOLD if styled else SIGNS)
        for line in (caption, *(["Notes"] if details else []), *(f"- {detail}" for detail in details)):
            console.print(_prose(line, "dim"))


def _print_table(console: Console, section: Section, table: Table, styled: bool) -> None:
    """Print a table in blocks of columns, each beside the first column."""
    console.print()
    console.print(Text(table.title, style="bold"))
    widths = _widths(section, table, styled)
    beside = min(widths[0], console.width // 3)
    for first, stop in _blocks(widths, console.width - beside):
        block = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        block.add_column(section.columns[0], overflow="fold", min_width=beside - GAP)
        for name, wide in zip(section.columns[first:stop], widths[first:stop], strict=True):
            fits = wide <= console.width - beside + GAP
            block.add_column(name, justify=section.side(name), no_wrap=fits, overflow="fold")
        for row in table.rows:
            block.add_row(row[0].text, *(_text(cell, styled) for cell in row[first:stop]))
        console.print(block)


def _prose(text: str, style: str = "") -> Text:
    """Return text whose numbers stay with their units and signs where lines are broken."""
    return Text(_TOGETHER.sub(KEPT, text), style=style)


def _widths(section: Section, table: Table, styled: bool) -> list[int]:
    """The width of each column with the gap after it."""
    return [
        max(len(name), *(len(_text(row[index], styled)) for row in table.rows)) + GAP
        for index, name in enumerate(section.columns)
    ]


def _blocks(widths: list[int], room: int) -> Iterator[tuple[int, int]]:
    """Split the columns after the first into runs of about equal length that fit into the room beside it."""
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
        Text("" if styled else BEFORE[cell.emphasis])
        + text
        + Text(f"{spread}{cell.marks and ' '}{cell.marks}")
    )
