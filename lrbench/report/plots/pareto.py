"""Quality against cost: who gets more out of the same computation?"""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from lrbench.errors import RequestError
from lrbench.report.measure import measure
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import label_left, legend_below, line_style, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw", "front"]


def draw(source: "PlotSource") -> "Figure":
    """Draw the primary metric (mean ± sd over seeds) against FLOPs per user, one panel per dataset.

    The steps join the models that none beats in both. A model without a count of operations, for instance
    one that looks its scores up, is drawn at the left edge.
    """
    suite, metric = source.suite, source.suite.primary_metric
    measured = measure(source.trials(), suite.datasets, suite.labels, [metric], source.masked)
    datasets = list(dict.fromkeys(entry.dataset for entry in measured))
    figure, axes = panels(datasets)
    for panel, dataset in zip(axes, datasets, strict=True):
        entries = [entry for entry in measured if entry.dataset == dataset]
        flops = np.array([entry.trials[0].record.flops_per_user for entry in entries])
        if not flops.any():
            raise RequestError(f"No trial on {dataset} has a count of operations.", "Run the suite anew.")
        flops[flops <= 0] = flops[flops > 0].min() / 3
        values = np.array([entry.metrics[metric].mean for entry in entries])
        spreads = np.nan_to_num([entry.metrics[metric].seed_sd for entry in entries])
        for index, label in enumerate(suite.labels):
            here = [place for place, entry in enumerate(entries) if entry.label == label]
            style = {**line_style(index), "linestyle": "none"}
            panel.errorbar(flops[here], values[here], spreads[here], label=label, capsize=3, **style)
        best = front(flops, values)
        panel.step(flops[best], values[best], where="post", color="#888888", linewidth=0.9, zorder=0)
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(EngFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel("FLOPs per user")
    label_left(axes, metric_title(metric))
    legend_below(figure, axes)
    return figure


def front(costs: np.ndarray, values: np.ndarray) -> list[int]:
    """Indices of the points that no cheaper or equally dear point reaches, by rising cost."""
    order = np.lexsort((-values, costs))
    kept: list[int] = []
    for index in order.tolist():
        if not kept or values[index] > values[kept[-1]]:
            kept.append(index)
    return kept
