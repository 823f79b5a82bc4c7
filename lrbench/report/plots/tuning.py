"""The best validation score by the number of tuning trials: would a smaller budget have been enough?"""

from typing import TYPE_CHECKING

from matplotlib.artist import Artist
from matplotlib.ticker import MaxNLocator

from lrbench.errors import RequestError
from lrbench.report.budgets import Budget
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import check_lines, label_left, legend_below, panels, row_style
from lrbench.report.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset and one line per row that was tuned.

    For random search the line is the expected best of that many trials, with a band of one standard deviation
    (Dodge et al. 2019). Trials of another sampler depend on each other, so its line is the best so far, in
    steps and without a band.

    Raises:
        RequestError: no row was tuned, or there are too many rows.
    """
    report = source.report
    if not report.budgets:
        raise RequestError(
            f"No row of suite {report.suite} was tuned, or its searches are not in this results folder.",
            "Give the suite a budget in [tune], and rows a space in [models.search].",
        )
    labels = [label for label in report.labels if any(b.label == label for b in report.budgets)]
    check_lines(len(labels))
    datasets = list(dict.fromkeys(budget.dataset for budget in report.budgets))
    entries: dict[str, Artist] = {}
    figure, axes = panels(datasets, source.width)
    for panel, dataset in zip(axes, datasets, strict=True):
        for budget in (budget for budget in report.budgets if budget.dataset == dataset):
            entries[budget.label] = _line(panel, report, budget)
        panel.set_xlabel("tuning trials (band: ± 1 SD)")
        panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    label_left(axes, f"best {metric_title(report.budgets[0].metric)}\non validation")
    legend_below(figure, {label: entries[label] for label in labels})
    return figure


def _line(panel: "Axes", report: Report, budget: Budget) -> Artist:
    style = row_style(report, budget.label) | {"markersize": 2.5}
    trials = range(1, len(budget.best) + 1)
    steps = "default" if budget.low else "steps-post"
    (line,) = panel.plot(trials, budget.best, drawstyle=steps, **style)
    if budget.low:
        panel.fill_between(trials, budget.low, budget.high, color=style["color"], alpha=0.15, linewidth=0)
    return line
