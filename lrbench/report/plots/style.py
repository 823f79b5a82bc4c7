"""What all plots share: panels at their printed size, texts, and lines that differ even without colour."""

import math
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrbench.config.controls import CONTROLS
from lrbench.report.layout import WIDTHS
from lrbench.report.palette import COLOURS, DASHES, MARKERS, MOST_LINES
from lrbench.report.plots import TooMuchError
from lrbench.report.report import Report
from lrbench.text import one_line

__all__ = [
    "check_lines",
    "label_below",
    "label_left",
    "legend_below",
    "line_style",
    "panels",
    "row_style",
    "rows_and_columns",
    "safe",
    "wrapped",
]

COLUMN, TEXT = WIDTHS["column"], WIDTHS["text"]

NARROWEST = 2.2
"""Smallest width of a panel in inches, where there are several side by side."""

FONT = 8.0
"""Size of text in points; figures are drawn at the size at which they are printed."""

SIGN = 0.56 * FONT / 72
"""Average width of a character in inches."""

BOLD = 1.15
"""How much wider a bold character is."""

LEFT = 0.7
"""Width in inches of the numbers and the name on the left of a panel."""

TITLE_LINE = 0.14
"""Height in inches of each further line of a title."""


def line_style(index: int) -> dict[str, Any]:
    """Return colour, marker and dash of a line by its number, from 0.

    All three together repeat after 56 lines. From the eighth line on, where colours repeat, markers are
    hollow.
    """
    colour = COLOURS[index % len(COLOURS)]
    return {
        "color": colour,
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
        "markerfacecolor": colour if index < len(COLOURS) else "white",
    }


def row_style(report: Report, label: str) -> dict[str, Any]:
    """Return the style of a row, the same in every figure of a report.

    A control has the colour of its model, and small hollow markers.
    """
    records = report.controls
    own = [each for each in report.labels if each not in records or records[each].of not in report.labels]
    record = records.get(label)
    if record is None:
        return line_style(own.index(label))
    hollow = {"markerfacecolor": "white", "markersize": 3}
    if label in own:  # its model is not shown
        return line_style(own.index(label)) | hollow
    number = own.index(record.of)
    turn = number + 1 + list(CONTROLS).index(record.control)
    round_of_colours = number // len(COLOURS)
    marks = {
        "marker": MARKERS[turn % len(MARKERS)],
        "linestyle": DASHES[(turn + round_of_colours) % len(DASHES)],
    }
    return line_style(number) | marks | hollow


def check_lines(count: int) -> None:
    """Refuse a figure with more lines than a reader can tell apart.

    Raises:
        TooMuchError: there are too many.
    """
    if count > MOST_LINES:
        raise TooMuchError(
            f"{count} rows cannot be told apart in one figure; {MOST_LINES} can.",
            "Choose some: --only 'LARES*,SASRec', or --hide.",
        )


def safe(text: str) -> str:
    """Return a text that matplotlib shows as it is: no control characters, no leading underscore."""
    shown = one_line(text)
    return f" {shown}" if shown.startswith("_") else shown


def wrapped(text: str, inches: float) -> str:
    """Break a text into lines of about this width in inches."""
    return fill(safe(text), max(12, int(inches / SIGN)))


def panels(
    titles: Sequence[str],
    width: float | None,
    across: int = 3,
    height: float = 1.9,
    labels: float = 0.15,
    **shared: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with one titled panel each.

    Args:
        titles: one for each panel.
        width: width of the figure in inches; `None`: a column for one panel, the text width for several.
        across: largest number of panels side by side.
        height: height of a panel in inches.
        labels: share of a panel's width that the labels on its left take. The title begins after it.
        shared: arguments of matplotlib's ``subplots`` (``sharex``, ``sharey``).
    """
    inches = width or (COLUMN if len(titles) == 1 else TEXT)
    columns = max(1, min(len(titles), across, int(inches / NARROWEST)))
    rows = math.ceil(len(titles) / columns)
    beside = min((1 - labels) * inches / columns, inches / columns - LEFT)
    broken = [wrapped(title, beside / BOLD) for title in titles]
    room = TITLE_LINE * max(title.count("\n") for title in broken)
    figure = Figure(figsize=(inches, (height + room) * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    axes: list[Axes] = list(grid.flat)
    for panel, title in zip(axes, broken, strict=False):
        panel.set_title(title, loc="left", fontweight="bold")
        panel.grid(axis="y", color="#dddddd", linewidth=0.5)
        panel.set_axisbelow(True)
    for panel in axes[len(titles) :]:
        panel.set_visible(False)
    return figure, axes[: len(titles)]


def rows_and_columns(panel: Axes) -> tuple[int, int]:
    """Return how many rows and columns of panels the figure of a panel has."""
    grid = panel.get_gridspec()
    return (1, 1) if grid is None else (grid.nrows, grid.ncols)


def label_left(axes: Sequence[Axes], text: str) -> None:
    """Name the vertical axis of the panels in the first column."""
    for panel in axes:
        place = panel.get_subplotspec()
        if place is not None and place.is_first_col():
            panel.set_ylabel(text)


def label_below(panel: Axes, text: str) -> None:
    """Name the horizontal axis of a panel, in lines that are no longer than the axis."""
    figure = panel.get_figure(root=True)
    assert figure is not None
    panel.set_xlabel(wrapped(text, figure.get_figwidth() / rows_and_columns(panel)[1] - LEFT))


def legend_below(figure: Figure, entries: Mapping[str, Artist]) -> None:
    """Put one legend for all panels below them, in as many columns as fit, and make room for it."""
    width, handle = figure.get_figwidth(), 0.45
    names = [wrapped(label, width - handle - 0.2) for label in entries]
    longest = max(len(line) for name in names for line in name.splitlines())
    columns = max(1, min(len(names), int(width / (longest * SIGN + handle))))
    lines = sum(1 + name.count("\n") for name in names) / columns
    figure.set_figheight(figure.get_figheight() + 0.16 * math.ceil(lines) + 0.1)
    figure.legend(
        list(entries.values()),
        names,
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        handlelength=2.6,
        columnspacing=1.0,
        borderaxespad=0.2,
    )
