"""The primary metric by depth, with a band of one standard deviation over seeds."""

from typing import TYPE_CHECKING

from lrbench.errors import RequestError
from lrbench.report.depths import measure_depths
from lrbench.report.label_metrics import measure
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import label_left, legend_below, line_style, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset and one line per label that has several depths.

    A ring marks the depth that validation would choose; test means choose nothing.

    Raises:
        RequestError: no label has more than one depth.
    """
    suite, metric = source.suite, source.suite.primary_metric
    measured = measure(source.trials(), suite.datasets, suite.labels, [metric], source.masked)
    points, _ = measure_depths(measured, metric, source.masked)
    if not points:
        raise RequestError(
            f"No model of suite {suite.name} was ranked at more than one depth.",
            "Give depths in the suite's [evaluation], with a model that reasons.",
        )
    labels = list(dict.fromkeys(point.label for point in points))
    datasets = list(dict.fromkeys(point.dataset for point in points))
    figure, axes = panels(datasets)
    for panel, dataset in zip(axes, datasets, strict=True):
        for label in labels:
            line = [point for point in points if (point.dataset, point.label) == (dataset, label)]
            depths = [point.depth for point in line]
            style = line_style(suite.labels.index(label))
            panel.plot(depths, [point.mean for point in line], label=label, markersize=4, **style)
            low, high = ([p.mean + sign * p.sd for p in line] for sign in (-1, 1))
            panel.fill_between(depths, low, high, color=style["color"], alpha=0.15, linewidth=0)
            chosen = [point for point in line if point.chosen]
            panel.scatter(
                [p.depth for p in chosen],
                [p.mean for p in chosen],
                s=90,
                facecolors="none",
                edgecolors=style["color"],
            )
        panel.set_xticks(sorted({point.depth for point in points if point.dataset == dataset}))
        panel.set_xlabel("depth (ring: validation's choice)")
    label_left(axes, metric_title(metric))
    legend_below(figure, axes)
    return figure
