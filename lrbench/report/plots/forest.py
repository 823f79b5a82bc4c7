"""All declared comparisons with their intervals: one line each, with a mark at zero."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from lrbench.errors import RequestError
from lrbench.report.findings import ALPHA, Comparison
from lrbench.report.numbers import metric_title
from lrbench.report.plots import TooMuchError
from lrbench.report.plots.style import panels, rows_and_columns, wrapped
from lrbench.report.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]

TICK = 0.42
"""Least distance of two numbers on the axis in inches."""

MOST = 60
"""The most comparisons that can be read in one panel."""

NAMES = 0.4
"""Share of a panel's width that the names on its left may take."""

LINE = 0.17
"""Height in inches of a comparison whose name has one line."""

FURTHER_LINE = 0.12
"""Height in inches of each further line of a name."""


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset: differences of means with the 95 % interval of the crossed test.

    Filled markers are differences that are significant after Holm over the whole family. There are none in an
    interim report, or where the suite declared another ranking or metric. Systems come first, then controls.
    A control with the ranks of a baseline shares the baseline's line.

    Raises:
        RequestError: no comparison was declared or can be tested, or one dataset has too many.
    """
    report = source.report
    shown = [c for c in report.comparisons if not _has_a_line(report, c)]
    testable = [comparison for comparison in shown if comparison.contrast.testable]
    if not testable:
        raise RequestError(
            f"Suite {report.suite} has no declared comparison that can be tested among these rows.",
            "Name the proposed rows in [comparison], and run at least 3 seeds. --only and --hide must leave "
            "both rows of a comparison.",
        )
    datasets = list(dict.fromkeys(comparison.dataset for comparison in testable))
    most = max(sum(c.dataset == dataset for c in testable) for dataset in datasets)
    if most > MOST:
        raise TooMuchError(
            f"{most} comparisons on one dataset cannot be read in one figure; {MOST} can.",
            "Choose rows: --only 'LARES*,SASRec', or --hide.",
        )
    one = len(dict.fromkeys(comparison.proposed for comparison in testable)) == 1
    figure, axes = panels(datasets, source.width, across=2, height=0.75, labels=NAMES + 0.05)
    rows, columns = rows_and_columns(axes[0])
    width = figure.get_figwidth() / columns
    tallest, marked = 0.0, not (report.interim or report.exploratory)
    for panel, dataset in zip(axes, datasets, strict=True):
        here = [comparison for comparison in testable if comparison.dataset == dataset]
        names = [wrapped(name, NAMES * width) for name in _names(report, here, one)]
        tallest = max(tallest, _panel(panel, here, names, marked))
        ticks = int((1 - NAMES - 0.05) * width / TICK)
        panel.xaxis.set_major_locator(MaxNLocator(nbins=min(5, max(2, ticks))))
        what = f"{here[0].proposed} minus the row" if one else "difference"
        panel.set_xlabel(
            wrapped(f"{metric_title(report.primary_metric)}, {what}{report.title_note}", 0.5 * width)
        )
    figure.set_figheight(figure.get_figheight() + tallest * rows)
    return figure


def _has_a_line(report: Report, comparison: Comparison) -> bool:
    """Whether the line of another comparison stands for this one, as its baseline has the same ranks."""
    dataset, proposed = comparison.dataset, comparison.proposed
    twin = report.twins.get((dataset, comparison.baseline))
    return any((c.dataset, c.proposed, c.baseline) == (dataset, proposed, twin) for c in report.comparisons)


def _names(report: Report, comparisons: Sequence[Comparison], one: bool) -> list[str]:
    rows = [report.row_name(comparison.dataset, comparison.baseline) for comparison in comparisons]
    if one:
        return rows
    return [f"{c.proposed} − {row}" for c, row in zip(comparisons, rows, strict=True)]


def _panel(panel: "Axes", comparisons: Sequence[Comparison], names: Sequence[str], marked: bool) -> float:
    """Draw comparisons below each other, each as high as its name; return their height in inches."""
    panel.grid(axis="y", visible=False)
    panel.axvline(0, color="#888888", linewidth=0.8, zorder=0)
    heights = [LINE + FURTHER_LINE * name.count("\n") for name in names]
    places = [end - height / 2 for end, height in zip(accumulate(heights), heights, strict=True)]
    for place, comparison in zip(places, comparisons, strict=True):
        low, high = comparison.contrast.interval()
        significant = comparison.p_adjusted <= ALPHA and marked
        colour = "#000000" if significant else "#777777"
        panel.plot([low, high], [place, place], color=colour, linewidth=1.2)
        panel.plot(
            [comparison.contrast.difference],
            [place],
            "o",
            color=colour,
            markerfacecolor=colour if significant else "white",
        )
    panel.set_yticks(places, names)
    panel.set_ylim(sum(heights), 0)
    return sum(heights)
