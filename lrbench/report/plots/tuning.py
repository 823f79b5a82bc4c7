"""The best validation score by the number of tuning trials: would a smaller budget have been enough?"""

from typing import TYPE_CHECKING

from matplotlib.artist import Artist
from matplotlib.ticker import MaxNLocator

from lrbench.errors import RequestError
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import check_lines, label_below, label_left, legend_below, panels, row_style
from lrbench.report.report import Report
from lrbench.wording import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]

Curve = tuple[float, ...]
Search = tuple[str, Curve, Curve, Curve]
"""A dataset, the best by number of trials, and its band. Searches with the same numbers are one line."""


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset and one line per search.

    For random search the line is the expected best of that many trials, with a band of one standard deviation
    (Dodge et al. 2019). Trials of another sampler depend on each other, so its line is the best so far, in
    steps and without a band. Rows that took their settings from one search share its line. Controls with the
    settings of their model are not named.

    Raises:
        RequestError: no row was tuned, or there are too many searches.
    """
    report = source.report
    if not report.budgets:
        raise RequestError(
            f"No row of suite {report.suite} was tuned, or its searches are not in this results folder.",
            "Give the suite a budget in [tune], and rows a space in [models.search].",
        )
    rows = _rows_by_search(report)
    labels = [label for label in report.labels if any(names[0] == label for names in rows.values())]
    check_lines(len(labels))
    datasets = list(dict.fromkeys(dataset for dataset, *_ in rows))
    bands = any(budget.low for budget in report.budgets)
    entries: dict[str, Artist] = {}
    also: dict[str, dict[str, None]] = {label: {} for label in labels}
    figure, axes = panels(datasets, source.width)
    for panel, dataset in zip(axes, datasets, strict=True):
        for search, (label, *others) in rows.items():
            if search[0] == dataset:
                entries[label] = _line(panel, report, label, *search[1:])
                also[label] |= dict.fromkeys(others)
        label_below(panel, f"tuning trials{' (band: ± 1 SD)' if bands else ''}")
        panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    label_left(axes, f"best {metric_title(report.budgets[0].metric)}\non validation")
    names = {
        label: f"{label} (also {listed(list(also[label]))})" if also[label] else label for label in labels
    }
    legend_below(figure, {names[label]: entries[label] for label in labels})
    return figure


def _rows_by_search(report: Report) -> dict[Search, list[str]]:
    """Return each search with its rows, models before controls; without controls of one of these models."""
    rows: dict[Search, list[str]] = {}
    for label in sorted(report.labels, key=lambda label: label in report.controls):
        for budget in (budget for budget in report.budgets if budget.label == label):
            names = rows.setdefault((budget.dataset, budget.best, budget.low, budget.high), [])
            if label not in report.controls or report.controls[label].of not in names:
                names.append(label)
    return rows


def _line(panel: "Axes", report: Report, label: str, best: Curve, low: Curve, high: Curve) -> Artist:
    style = row_style(report, label) | {"markersize": 2.5}
    trials = range(1, len(best) + 1)
    (line,) = panel.plot(trials, best, drawstyle="default" if low else "steps-post", **style)
    if low:
        panel.fill_between(trials, low, high, color=style["color"], alpha=0.15, linewidth=0)
    return line
