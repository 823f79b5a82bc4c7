"""The validation metric over epochs: did training end because it had converged?"""

from typing import TYPE_CHECKING

from matplotlib.artist import Artist
from matplotlib.ticker import MaxNLocator

from lrbench.errors import RequestError
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import check_lines, label_left, legend_below, line_style, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset and stage, one thin line per run, a marker at the selected epoch.

    Raises:
        RequestError: no finished trial has epochs, or there are too many rows.
    """
    report = source.report
    if not report.curves:
        raise RequestError(
            f"No finished trial of suite {report.suite} has epochs.", "Its models are fitted in one call."
        )
    labels = [label for label in report.labels if any(curve.label == label for curve in report.curves)]
    check_lines(len(labels))
    stages = list(dict.fromkeys(curve.stage for curve in report.curves))
    places = [
        (dataset, stage)
        for dataset in dict.fromkeys(curve.dataset for curve in report.curves)
        for stage in stages
        if any((curve.dataset, curve.stage) == (dataset, stage) for curve in report.curves)
    ]
    figure, axes = panels(
        [f"{dataset}, {stage}" for dataset, stage in places], source.width, across=len(stages)
    )
    entries: dict[str, Artist] = {}
    for curve in report.curves:
        panel = axes[places.index((curve.dataset, curve.stage))]
        style = line_style(report.labels.index(curve.label))
        marker = style.pop("marker")
        (line,) = panel.plot(curve.epochs, curve.values, linewidth=0.7, alpha=0.8, **style)
        entries.setdefault(curve.label, line)
        if curve.selected is not None:
            best = curve.values[curve.epochs.index(curve.selected)]
            panel.plot([curve.selected], [best], marker, color=style["color"], markersize=4)
    for panel in axes:
        panel.set_xlabel("epoch (marker: selected)")
        panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    label_left(axes, f"validation {metric_title(report.protocol.selection_metric)}")
    legend_below(figure, {label: entries[label] for label in labels})
    return figure
