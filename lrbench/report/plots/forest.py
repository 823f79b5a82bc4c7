"""All declared comparisons with their intervals: one line each, with a mark at zero."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from lrbench.errors import RequestError
from lrbench.report.findings import ALPHA, Comparison
from lrbench.report.numbers import metric_title
from lrbench.report.plots import TooMuchError
from lrbench.report.plots.style import panels, wrapped
from lrbench.report.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]

MOST = 60
"""The most comparisons that can be read in one panel."""

NAMES = 0.4
"""Share of a panel's width that the names on its left may take."""

LINE = 0.17
"""Distance between two comparisons in inches."""


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset: differences of means with the 95 % interval of the crossed test.

    Filled markers are differences that are significant after Holm over the whole family. In an interim report
    there are none. Systems come first, then controls. A control with the ranks of a baseline shares the
    baseline's line.

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
    figure, axes = panels(datasets, source.width, across=2, height=0.75 + LINE * most, labels=NAMES + 0.05)
    for panel, dataset in zip(axes, datasets, strict=True):
        here = [comparison for comparison in testable if comparison.dataset == dataset]
        inches = figure.get_figwidth() / min(2, len(datasets))
        _panel(panel, here, _names(report, here, one), report.interim, inches)
        what = f"{here[0].proposed} minus the row" if one else "difference"
        interim = " (interim)" if report.interim else ""
        panel.set_xlabel(
            wrapped(
                f"{metric_title(report.primary_metric)}, {what}{interim}",
                0.6 * figure.get_figwidth() / min(2, len(axes)),
            )
        )
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


def _panel(
    panel: "Axes", comparisons: Sequence[Comparison], names: Sequence[str], interim: bool, inches: float
) -> None:
    panel.grid(axis="y", visible=False)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5))
    panel.axvline(0, color="#888888", linewidth=0.8, zorder=0)
    for place, comparison in enumerate(comparisons):
        low, high = comparison.contrast.interval()
        significant = comparison.p_adjusted <= ALPHA and not interim
        colour = "#000000" if significant else "#777777"
        panel.plot([low, high], [place, place], color=colour, linewidth=1.2)
        panel.plot(
            [comparison.contrast.difference],
            [place],
            "o",
            color=colour,
            markerfacecolor=colour if significant else "white",
        )
    panel.set_yticks(range(len(names)), [wrapped(name, NAMES * inches) for name in names])
    panel.set_ylim(len(names) - 0.4, -0.6)
