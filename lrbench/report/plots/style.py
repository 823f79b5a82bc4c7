"""What all plots share: panels, and lines that are told apart without colour.

Colours are those of Okabe and Ito (2008) without the yellow, which vanishes on white; markers and dashes
differ as well, for print in grey.
"""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["label_left", "legend_below", "line_style", "panels"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", ":", "-.")


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dash of the line with this number."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def panels(titles: Sequence[str], across: int | None = None, **shared: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure with one titled panel each, ``across`` of them in a row (at most 3 unless told).

    ``shared`` goes to matplotlib's ``subplots`` (``sharex``, ``sharey``).
    """
    columns = across or min(len(titles), 3)
    rows = math.ceil(len(titles) / columns)
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.7 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    axes: list[Axes] = list(grid.flat)
    for panel, title in zip(axes, titles, strict=False):
        panel.set_title(title, loc="left", fontweight="bold")
        panel.grid(axis="y", color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
    for panel in axes[len(titles) :]:
        panel.set_visible(False)
    return figure, axes[: len(titles)]


def label_left(axes: Sequence[Axes], text: str) -> None:
    """Name the vertical axis of the panels in the first column."""
    for panel in axes:
        place = panel.get_subplotspec()
        if place is not None and place.is_first_col():
            panel.set_ylabel(text)


def legend_below(figure: Figure, axes: Sequence[Axes]) -> None:
    """Put one legend for all panels below them."""
    entries: dict[str, Artist] = {}
    for panel in axes:
        handles, labels = panel.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    columns = min(len(entries), 2 * max(1, round(figure.get_figwidth() / 4.5)))
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        handlelength=3,
    )
