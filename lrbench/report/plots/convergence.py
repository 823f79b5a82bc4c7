"""The validation metric over epochs: did training end because it had converged?"""

from typing import TYPE_CHECKING

from matplotlib.artist import Artist
from matplotlib.ticker import MaxNLocator

from lrbench.errors import RequestError
from lrbench.report.curves import Curve
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import check_lines, label_left, legend_below, panels, row_style
from lrbench.report.report import Report
from lrbench.wording import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset and stage, with one thin line per run and a marker at the selected epoch.

    A run that several rows share is drawn once.

    Raises:
        RequestError: no finished trial has epochs, or there are too many rows.
    """
    report = source.report
    if not report.curves:
        raise RequestError(
            f"No finished trial of suite {report.suite} has epochs, as its models are fitted in one call.",
            "Choose a suite with a model that is trained in epochs.",
        )
    curves, names = _distinct(report)
    check_lines(len(names))
    stages = list(dict.fromkeys(curve.stage for curve in curves))
    places = [
        (dataset, stage)
        for dataset in dict.fromkeys(curve.dataset for curve in curves)
        for stage in stages
        if any((curve.dataset, curve.stage) == (dataset, stage) for curve in curves)
    ]
    figure, axes = panels(
        [f"{dataset}, {stage}" for dataset, stage in places], source.width, across=len(stages)
    )
    entries: dict[str, Artist] = {}
    for curve in curves:
        panel = axes[places.index((curve.dataset, curve.stage))]
        style = row_style(report, curve.label)
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
    legend_below(figure, {name: entries[label] for label, name in names.items()})
    return figure


def _distinct(report: Report) -> tuple[list[Curve], dict[str, str]]:
    """Return every training run once, and label → name in the legend, for the labels that are drawn.

    Rows that share a training run would hide each other. Noise-only controls have the weights of their model.
    A reused stage was trained under another label.
    """
    first: dict[object, Curve] = {}
    for label in sorted(report.labels, key=lambda label: label in report.controls):  # models, then controls
        for curve in (curve for curve in report.curves if curve.label == label):
            first.setdefault((curve.dataset, curve.stage, curve.epochs, curve.values), curve)
    drawn = {curve.label for curve in first.values()}
    names = {}
    for label in (label for label in report.labels if label in drawn):
        hidden = dict.fromkeys(
            curve.label
            for curve in report.curves
            if curve.label not in drawn
            and first[curve.dataset, curve.stage, curve.epochs, curve.values].label == label
        )
        names[label] = f"{label} (also {listed(list(hidden))})" if hidden else label
    return list(first.values()), names
