"""Quality against cost: which row is better at the same cost?"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

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
from lrbench.report.report import Cost, QualityRow, Report
from lrbench.wording import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import CostKind, PlotSource

__all__ = ["draw", "front"]

AXES = {
    "flops": "FLOPs per user",
    "latency": "time per 1,000 users, in batches of 256",
    "training": "training time",
}
BATCH = 256


def draw(source: "PlotSource") -> "Figure":
    """Draw the primary metric against cost, one panel per dataset.

    A row is a point (± one standard deviation over seeds). Where its cost is known at several depths, a
    curve joins these depths. Labels with the same ranks are one point. Controls are hollow points in the
    colour of their model. The grey steps join the rows that no other row beats in both. A row without a known
    cost is named below the axis.

    Raises:
        RequestError: no row has this cost, or there are too many rows.
    """
    report = source.report
    costs = {(cost.dataset, cost.label): cost for cost in report.costs}
    rows = [
        row
        for row in report.rows
        if row.metric == report.primary_metric and (row.dataset, row.label) not in report.twins
    ]
    known = [row for row in rows if _cost(costs[row.dataset, row.label], source.cost) > 0]
    if not known:
        raise RequestError(
            f"No row of suite {report.suite} has a known cost in {AXES[source.cost]}.",
            f"Choose another with --cost {' or '.join(name for name in AXES if name != source.cost)}.",
        )
    check_lines(len(dict.fromkeys(row.label for row in known)))
    datasets = list(dict.fromkeys(row.dataset for row in known))
    entries: dict[str, Artist] = {}
    figure, axes = panels(datasets, source.width)
    for panel, dataset in zip(axes, datasets, strict=True):
        here = [row for row in known if row.dataset == dataset]
        for row in here:
            entries[row.label] = _row(panel, report, row, costs[dataset, row.label], source.cost)
        _front(panel, here, [_cost(costs[dataset, row.label], source.cost) for row in here], source.cost)
        others = [row.label for row in rows if row.dataset == dataset and row not in here]
        text = f"{AXES[source.cost]}{f' (not known: {listed(others)})' if others else ''}"
        label_below(panel, text)
    label_left(axes, f"{metric_title(report.primary_metric)} (± 1 SD)")
    shown = [label for label in report.labels if label in entries]
    legend_below(figure, {report.line_name(label): entries[label] for label in shown})
    return figure


def front(costs: np.ndarray, values: np.ndarray) -> list[int]:
    """Return, by rising cost, the indices of points better than every point that costs as much or less."""
    order = np.lexsort((-values, costs))
    kept: list[int] = []
    for index in order.tolist():
        if not kept or values[index] > values[kept[-1]]:
            kept.append(index)
    return kept


def _cost(cost: Cost, kind: "CostKind", depth: int | None = None) -> float:
    """Return a row's cost at a depth, by default at the depth that reports use; NaN where it is not known."""
    if kind == "training":
        return math.nan if depth is not None else cost.train_seconds
    if kind == "flops" and depth is None:
        return cost.flops_per_user
    wanted = cost.depth if depth is None else depth
    found = next((part for part in cost.by_depth if part.depth == wanted), None)
    if found is None:
        return math.nan
    return found.flops_per_user if kind == "flops" else found.latency.get(BATCH, math.nan)


def _row(panel: "Axes", report: Report, row: QualityRow, cost: Cost, kind: "CostKind") -> Artist:
    """Draw a row; return its point, for the legend."""
    style = row_style(report, row.label)
    points = [p for p in report.depths if (p.dataset, p.label) == (row.dataset, row.label)]
    curve = [(_cost(cost, kind, p.depth), p.mean) for p in points if _cost(cost, kind, p.depth) > 0]
    if len(curve) > 1:
        panel.plot(
            [x for x, _ in curve],
            [y for _, y in curve],
            color=style["color"],
            linestyle=style["linestyle"],
            linewidth=0.9,
        )
    spread = 0.0 if math.isnan(row.sd) else row.sd
    point: Artist = panel.errorbar(
        [_cost(cost, kind)],
        [row.mean],
        [spread],
        capsize=2,
        label=safe(report.line_name(row.label)),
        **(style | {"linestyle": "none"}),
    )[0]
    return point


def _front(panel: "Axes", rows: Sequence[QualityRow], costs: Sequence[float], kind: "CostKind") -> None:
    x, y = np.array(costs), np.array([row.mean for row in rows])
    best = front(x, y)
    edge = max(float(x.max()), 1.15 * float(x[best[-1]]))  # so that a front of one point is visible
    panel.step(
        [*x[best], edge], [*y[best], y[best[-1]]], where="post", color="#888888", linewidth=0.8, zorder=0
    )
    panel.set_xscale("log")
    wide = x.max() / x.min() > 100
    panel.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    panel.xaxis.set_major_formatter(EngFormatter(sep="") if kind == "flops" else EngFormatter("s"))
    panel.xaxis.set_minor_formatter(NullFormatter())
