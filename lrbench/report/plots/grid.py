"""Rows that differ in one numeric option, as one line: the metric by the option, with the cost."""

from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.ticker import MaxNLocator

from lrbench.errors import RequestError, did_you_mean
from lrbench.report.grids import grid_lines, grid_options
from lrbench.report.numbers import amount, metric_title
from lrbench.report.plots.style import check_lines, label_below, label_left, legend_below, line_style, panels
from lrbench.report.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset: the primary metric of each row at its own depth, by the option.

    Bars are one standard deviation over seeds. If there is only one line, a second axis above gives the
    operations per user.

    Raises:
        RequestError: no rows differ only in this option, or there are too many lines.
    """
    report = source.report
    lines = grid_lines(report.provenance.recipes, source.option, report.labels)
    if not lines:
        options = grid_options(report)
        raise RequestError(
            f'No two rows of suite {report.suite} differ in the option "{source.option}" alone.',
            did_you_mean(source.option, options) if options else "A grid in the suite file makes such rows.",
        )
    check_lines(len(lines))
    datasets = [note.summary.name for note in report.datasets]
    means = {(row.dataset, row.label): row for row in report.rows if row.metric == report.primary_metric}
    entries: dict[str, Artist] = {}
    figure, axes = panels(datasets, source.width)
    for panel, dataset in zip(axes, datasets, strict=True):
        for number, (name, values) in enumerate(lines.items()):
            places = [(value, means[dataset, label]) for value, label in values if (dataset, label) in means]
            spread = [0.0 if row.sd != row.sd else row.sd for _, row in places]  # NaN: one seed
            x, y = [value for value, _ in places], [row.mean for _, row in places]
            entries[name] = panel.errorbar(x, y, spread, capsize=2, **line_style(number))[0]
        if all(value == int(value) for values in lines.values() for value, _ in values):
            panel.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
        label_below(panel, f"{source.option} in training (bar: ± 1 SD over seeds)")
        if len(lines) == 1:
            _cost_axis(panel, report, dataset, next(iter(lines.values())))
    label_left(axes, metric_title(report.primary_metric))
    if len(lines) > 1:
        legend_below(figure, entries)
    return figure


def _cost_axis(panel: Any, report: Report, dataset: str, values: list[tuple[float, str]]) -> None:
    costs = {cost.label: cost.flops_per_user for cost in report.costs if cost.dataset == dataset}
    known = [(value, costs[label]) for value, label in values if costs.get(label, float("nan")) > 0]
    if len(known) < 2:
        return
    above = panel.secondary_xaxis("top")
    shown = known[:: -(-len(known) // 4)]
    above.set_xticks([value for value, _ in shown], [amount(cost) for _, cost in shown])
    above.set_xlabel("FLOPs per user")
