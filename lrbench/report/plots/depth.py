"""The primary metric by depth of inference, and that of rows that do not reason."""

from typing import TYPE_CHECKING

from matplotlib.artist import Artist

from lrbench.errors import RequestError
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import (
    check_lines,
    label_below,
    label_left,
    legend_below,
    panels,
    row_style,
    safe,
)
from lrbench.report.report import QualityRow, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]

MOST_LEVEL = 8
"""Horizontal lines that can be told apart."""


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset and one line per row that has several depths.

    Bands are one standard deviation over seeds. A ring marks the depth that validation would choose; no depth
    is chosen by test means. Horizontal lines are the best row without depths and, where they are few, the
    controls that do not reason. Labels with the same ranks are one line. Controls have the colour of their
    model.

    Raises:
        RequestError: no row has more than one depth, or there are too many rows.
    """
    report = source.report
    if not report.depths:
        raise RequestError(
            f"No model of suite {report.suite} was ranked at more than one depth.",
            "Give depths in the suite's [evaluation], with a model that reasons.",
        )
    labels = list(dict.fromkeys(point.label for point in report.depths))
    datasets = list(dict.fromkeys(point.dataset for point in report.depths))
    check_lines(len(labels))
    entries: dict[str, Artist] = {}
    figure, axes = panels(datasets, source.width)
    for panel, dataset in zip(axes, datasets, strict=True):
        for label in labels:
            if (dataset, label) not in report.twins:
                entries |= _line(panel, report, dataset, label)
        for row in _level_rows(report, dataset, labels):
            style = row_style(report, row.label)
            entries[report.line_name(row.label)] = panel.axhline(
                row.mean, color=style["color"], linestyle=style["linestyle"], linewidth=0.8
            )
        depths = sorted({point.depth for point in report.depths if point.dataset == dataset})
        label_below(panel, "depth (ring: validation's choice)")
        panel.set_xticks(depths if len(depths) <= 10 else depths[:: -(-len(depths) // 10)])
    label_left(axes, f"{metric_title(report.primary_metric)}\n(band: ± 1 SD over seeds)")
    legend_below(figure, entries)
    return figure


def _line(panel: "Axes", report: Report, dataset: str, label: str) -> dict[str, Artist]:
    points = [point for point in report.depths if (point.dataset, point.label) == (dataset, label)]
    if not points:
        return {}
    style = row_style(report, label)
    depths, means = [point.depth for point in points], [point.mean for point in points]
    (line,) = panel.plot(depths, means, label=safe(report.line_name(label)), **style)
    low, high = ([point.mean + sign * point.sd for point in points] for sign in (-1, 1))
    panel.fill_between(depths, low, high, color=style["color"], alpha=0.15, linewidth=0)
    chosen = [point for point in points if point.chosen]
    panel.scatter(
        [point.depth for point in chosen],
        [point.mean for point in chosen],
        s=60,
        facecolors="none",
        edgecolors=style["color"],
    )
    return {report.line_name(label): line}


def _level_rows(report: Report, dataset: str, labels: list[str]) -> list[QualityRow]:
    """Return the best row without depths and the controls without depths; more than eight: the best alone."""
    rows = [
        row
        for row in report.rows
        if (row.dataset, row.metric) == (dataset, report.primary_metric)
        and row.label not in labels
        and (dataset, row.label) not in report.twins
    ]
    best = max(rows, key=lambda row: row.mean, default=None)
    level = [row for row in rows if row is best or row.label in report.controls]
    return level if len(level) <= MOST_LEVEL else [row for row in level if row is best]
