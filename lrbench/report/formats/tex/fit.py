"""Fit grids into the width and height of a page. The font size never changes, and nothing is left out.

A grid that is too wide: first, long names and words are broken into lines. Then standard deviations move to a
table of their own. Then the datasets are split over several tables, and last the columns. A grid that is too
long: the blocks, then the rows are split over several tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lrbench.report.formats.tex.grid import GAP, Grid, GridBlock, joined_grid
from lrbench.report.formats.tex.text import text_width
from lrbench.report.layout import Spread
from lrbench.report.tables import Cell, Section, Table

__all__ = ["MOST_LINES", "Fitted", "fit_grid", "fit_joined"]

MOST_LINES = 38
"""The most lines of a table's body, so that a caption and notes fit on the page in any document class."""

NAMES = 0.34
"""Share of the table's width beyond which names of rows are broken into lines."""

WORDS = 110.0
"""Width in points to which words of other columns are broken."""


@dataclass(frozen=True)
class Fitted:
    """A grid that fits."""

    grid: Grid
    what: str = ""
    """What the grid holds, for its caption; empty if it holds the values."""


def fit_joined(section: Section, width: float, spread: Spread) -> list[Fitted]:
    """Fit the tables of a section into grids, with as many tables side by side as fit.

    Args:
        section: tables with the same columns.
        width: width in points.
        spread: where standard deviations are printed.
    """
    tables = section.tables
    runs = [tables]
    if not _can_join(section, tables, width, spread):
        runs = list(_packed(section, tables, width, spread))
    fitted = []
    for run in runs:
        grid = _with_broken_names(joined_grid(section, run), width)
        inline = spread == "inline" and grid.width <= width
        values = grid if inline else grid.without_spread()
        fitted += [Fitted(part) for part in _split(values, width)]
        if not inline and spread != "none" and grid.has_spread:
            fitted += [Fitted(part, "standard deviations") for part in _split(grid.spreads(), width)]
    return fitted


def fit_grid(grid: Grid, width: float) -> list[Fitted]:
    """Fit a grid into ``width`` points; a grid that cannot be made to fit is split."""
    if grid.width > width:
        grid = _with_broken_words(_with_broken_names(grid, width))
    return [Fitted(part) for part in _split(grid, width)]


def _can_join(section: Section, tables: Sequence[Table], width: float, spread: Spread) -> bool:
    grid = _with_broken_names(joined_grid(section, tables), width)
    return (spread == "inline" and grid.width <= width) or grid.without_spread().width <= width


def _packed(
    section: Section, tables: Sequence[Table], width: float, spread: Spread
) -> Iterator[tuple[Table, ...]]:
    """Yield runs of tables that fit side by side, each as long as possible and at least one table long."""
    run: list[Table] = []
    for table in tables:
        if run and not _can_join(section, [*run, table], width, spread):
            yield tuple(run)
            run = []
        run.append(table)
    yield tuple(run)


def _with_broken_names(grid: Grid, width: float) -> Grid:
    room = NAMES * width
    if grid.width <= width:
        return grid
    grid = replace(grid, broken_heads=True)
    if grid.corner_width - GAP <= room:
        return grid
    return replace(grid, corner=replace(grid.corner, room=room))


def _with_broken_words(grid: Grid) -> Grid:
    columns = tuple(
        replace(column, room=WORDS) if _longest(grid, index) > WORDS else column
        for index, column in enumerate(grid.columns)
    )
    return replace(grid, columns=columns)


def _longest(grid: Grid, index: int) -> float:
    if grid.paired(index):
        return 0.0
    return max(text_width(cell.text) for cell in grid.cells(index))


def _split(grid: Grid, width: float) -> Iterator[Grid]:
    for part in _column_runs(grid, width):
        yield from _row_runs(part)


def _column_runs(grid: Grid, width: float) -> Iterator[Grid]:
    """Yield as few grids as fit, each with a run of columns beside the names, and about equally wide."""
    if grid.width <= width:
        yield grid
        return
    stops = _greedy_stops(grid, width)
    low, high = 0.0, width
    while high - low > 1.0:  # a point: the narrowest width into which as few runs fit
        middle = (low + high) / 2
        narrower = _greedy_stops(grid, middle)
        if len(narrower) > len(stops):
            low = middle
        else:
            stops, high = narrower, middle
    yield from (grid.only(first, stop) for first, stop in pairwise([0, *stops]))


def _greedy_stops(grid: Grid, width: float) -> list[int]:
    """Return where each run of columns ends if every run takes as many as fit, and at least one."""
    stops: list[int] = []
    first = 0
    for stop in range(2, len(grid.columns) + 1):
        if stop - first > 1 and grid.only(first, stop).width > width:
            stops.append(stop - 1)
            first = stop - 1
    return [*stops, len(grid.columns)]


def _row_runs(grid: Grid) -> Iterator[Grid]:
    """Yield grids with runs of blocks, or of rows of long blocks, that fit on a page."""
    if grid.lines <= MOST_LINES:
        yield grid
        return
    run: list[GridBlock] = []
    for block in grid.blocks:
        for piece in _pieces(grid, block):
            if run and replace(grid, blocks=(*run, piece)).lines > MOST_LINES:
                yield replace(grid, blocks=tuple(run))
                run = []
            run.append(piece)
    yield replace(grid, blocks=tuple(run))


def _pieces(grid: Grid, block: GridBlock) -> Iterator[GridBlock]:
    rows: list[tuple[Cell, ...]] = []
    for row in block.rows:
        if rows and replace(grid, blocks=(replace(block, rows=(*rows, row)),)).lines > MOST_LINES:
            yield replace(block, rows=tuple(rows))
            rows = []
        rows.append(row)
    yield replace(block, rows=tuple(rows))
