"""Tables on a console. One that is too wide is printed in blocks of columns, so that no number is cut."""

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table

__all__ = ["print_table"]

_LEAST = 20
"""Characters that a column of words keeps, if it has longer texts. They are broken between words."""


def print_table(console: Console, table: Table, names: int = 1) -> None:
    """Print a table, in blocks of columns if it is too wide.

    Args:
        console: where to print it.
        table: its cells are texts. Columns that are flush right are numbers, which are never broken.
        names: number of columns at its left that name its rows. They are repeated in each block.
    """
    for column in table.columns:
        column.no_wrap = column.no_wrap or column.justify == "right"
    for block in _blocks(table, names, console.width):
        console.print(block)


def _blocks(table: Table, names: int, width: int) -> Iterator[Table]:
    if _needed(table) <= width:
        yield table
        return
    first = names
    while first < len(table.columns):
        stop = len(table.columns)
        while stop > first + 1 and _needed(_part(table, names, first, stop)) > width:
            stop -= 1
        yield _part(table, names, first, stop)
        first = stop


def _part(table: Table, names: int, first: int, stop: int) -> Table:
    """Return the columns from ``first`` to before ``stop`` beside the names; the first part has the title."""
    columns = [*table.columns[:names], *table.columns[first:stop]]
    part = Table(
        *(column.copy() for column in columns),
        title=table.title if first == names else None,
        title_justify=table.title_justify,
        box=table.box,
        padding=table.padding,
        pad_edge=table.pad_edge,
        highlight=table.highlight,
    )
    for row in zip(*(column.cells for column in columns), strict=True):
        part.add_row(*row)
    return part


def _needed(table: Table) -> int:
    """Return the width with which no number and no word is cut. There is no padding at the table's edges."""
    _, right, _, left = table.padding
    divider, edges = (0, 0) if table.box is None else (1, 2)
    gaps = (left + right + divider) * (len(table.columns) - 1)
    return sum(_column(column) for column in table.columns) + gaps + edges


def _column(column: Column) -> int:
    texts = [str(text) for text in (column.header, *column.cells)]
    longest = max(cell_len(line) for text in texts for line in text.splitlines() or [""])
    if column.no_wrap:
        return longest
    words = max(cell_len(word) for text in texts for word in text.split() or [""])
    return max(column.min_width or 0, min(longest, max(words, _LEAST)))
