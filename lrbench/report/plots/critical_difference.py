"""Mean ranks over datasets with Nemenyi's critical difference (Demšar 2006)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.figure import Figure

from lrbench.errors import RequestError
from lrbench.report.findings import ALPHA
from lrbench.report.numbers import metric_title, p_text
from lrbench.report.plots.style import TEXT, TITLE_LINE, wrapped
from lrbench.stats.friedman import MIN_DATASETS, Friedman, friedman

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lrbench.report.plots import PlotSource

__all__ = ["cliques", "draw"]

MOST_TICKS = 12
TICK = 0.25
"""Least distance of two ticks in inches."""

NAMES = 0.3
"""Share of the width that the names on each side may take."""

FURTHER_LINE = 0.85
"""Height of each further line of a name, as a share of the first one's."""


def draw(source: "PlotSource") -> Figure:
    """Draw the rows by mean rank; bars join rows whose difference is not significant.

    Labels with the same ranks on every dataset count as one.

    Raises:
        RequestError: there are fewer than six datasets, or fewer than three rows that were run on all of
            them. Or rows are hidden, although mean ranks are among all rows.
    """
    report = source.report
    if len(report.labels) < report.rows_of_suite:
        raise RequestError(
            "A critical difference ranks all rows of a suite; some are hidden.",
            "Leave out --only and --hide.",
        )
    means = {(row.dataset, row.label): row.mean for row in report.rows if row.metric == report.primary_metric}
    datasets = list(dict.fromkeys(dataset for dataset, _ in means))
    labels = [
        label
        for label in report.labels
        if all((dataset, label) in means for dataset in datasets)
        and not all((dataset, label) in report.twins for dataset in datasets)
    ]
    values = np.array([[means[dataset, label] for label in labels] for dataset in datasets])
    if len(datasets) < MIN_DATASETS or len(labels) < 3:
        raise RequestError(
            f"A critical difference needs {MIN_DATASETS} datasets and 3 labels that were run on all of them; "
            f"suite {report.suite} has {len(datasets)} and {len(labels)}.",
            "Look at the datasets one by one: lrbench report, or lrbench plot forest.",
        )
    result = friedman(values)
    figure = _diagram(result, [report.line_name(label) for label in labels], source.width or TEXT)
    title = wrapped(
        f"Mean rank by {metric_title(report.primary_metric)} over {len(datasets)} datasets; "
        f"Friedman {p_text(result.p)}",
        figure.get_figwidth(),
    )
    figure.set_figheight(figure.get_figheight() + TITLE_LINE * title.count("\n"))
    figure.suptitle(title, fontsize=8)
    return figure


def cliques(mean_ranks: Sequence[float], critical_difference: float) -> list[tuple[float, float]]:
    """Return the widest ranges of mean ranks within the critical difference, as (lowest, highest).

    No range is inside another.
    """
    ordered = sorted(mean_ranks)
    runs: list[tuple[float, float]] = []
    for low in ordered:
        high = max(rank for rank in ordered if rank - low <= critical_difference)
        if high > low and (not runs or high > runs[-1][1]):
            runs.append((low, high))
    return runs


def _diagram(result: Friedman, labels: Sequence[str], width: float) -> Figure:
    """Draw the axis of ranks on top, labels on both sides below it, and bars between."""
    order = np.argsort(result.mean_ranks, kind="stable").tolist()
    count, half = len(labels), (len(labels) + 1) // 2
    names = [
        wrapped(f"{label} ({rank:.2f})", NAMES * width)
        for label, rank in zip(labels, result.mean_ranks.tolist(), strict=True)
    ]
    # Nemenyi's test is made only if Friedman's test rejects. Bars without that would suggest groups.
    bars = cliques(result.mean_ranks.tolist(), result.critical_difference) if result.p <= ALPHA else []
    top = 0.5 * len(bars) + 0.6
    sides = [_heights(names, side, top) for side in (order[:half], order[half:][::-1])]
    bottom = max(max(side.values()) for side in sides) + 0.9
    figure = Figure(figsize=(width, 0.9 + 0.18 * bottom), layout="constrained")
    axes = figure.subplots()
    _rank_axis(axes, count, width, bottom)
    _ruler(axes, result.critical_difference, width)
    for number, (low, high) in enumerate(bars):
        height = 0.4 + 0.5 * number
        axes.plot(
            [low - 0.03, high + 0.03],
            [height, height],
            color="black",
            linewidth=2.5,
            solid_capstyle="butt",
        )
    left, right = sides
    for index, height in left.items():
        _named_line(axes, names[index], float(result.mean_ranks[index]), height, "left", 1)
    for index, height in right.items():
        _named_line(axes, names[index], float(result.mean_ranks[index]), height, "right", count)
    return figure


def _rank_axis(axes: "Axes", count: int, width: float, bottom: float) -> None:
    """Draw the axis of ranks on top.

    Args:
        axes: to draw on.
        count: number of labels, the largest rank.
        width: of the figure in inches.
        bottom: height at which the drawing ends. Heights grow downwards.
    """
    axes.set_xlim(1 - 0.02 * count, count + 0.02 * count)
    axes.set_ylim(bottom, -2.6)
    axes.xaxis.tick_top()
    most = min(MOST_TICKS, max(2, int((1 - 2 * NAMES) * width / TICK)))
    axes.set_xticks(range(1, count + 1, -(-count // most)))
    axes.spines[["left", "bottom", "right"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.set_yticks([])


def _named_line(
    axes: "Axes", name: str, rank: float, height: float, side: Literal["left", "right"], edge: int
) -> None:
    """Draw a line from a mean rank down and to the side, and the name at its end.

    Args:
        axes: to draw on.
        name: of the row, with its mean rank.
        rank: the mean rank.
        height: of the name.
        side: of the axis on which the name stands.
        edge: the rank at the end of the axis on that side.
    """
    axes.plot([rank, rank, edge], [-1.0, height, height], color="#666666", linewidth=0.7, zorder=0)
    axes.annotate(
        name,
        (edge, height),
        xytext=(-4 if side == "left" else 4, 0),
        textcoords="offset points",
        ha="right" if side == "left" else "left",
        va="center",
    )


def _heights(names: Sequence[str], side: Sequence[int], top: float) -> dict[int, float]:
    """Return the height of the middle of each name on one side, from the top down, by its index."""
    found, end = {}, top - 0.2
    for index in side:
        lines = 1 + FURTHER_LINE * names[index].count("\n")
        found[index] = end + lines / 2
        end += lines
    return found


def _ruler(axes: "Axes", critical_difference: float, width: float) -> None:
    """Draw the length of the critical difference above the lines of the rows, in a figure of some inches."""
    axes.axhline(-1.0, color="black", linewidth=0.8)
    axes.plot([1, 1 + critical_difference], [-1.9, -1.9], color="black", marker="|")
    axes.annotate(
        wrapped(f"critical difference {critical_difference:.2f}", width / 2),
        (1 + critical_difference, -1.9),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
    )
