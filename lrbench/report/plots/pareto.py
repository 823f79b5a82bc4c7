"""Quality against cost: who gets more out of the same computation?"""

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from lrbench.errors import RequestError
from lrbench.report.label_metrics import Measured, measure
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import label_left, legend_below, line_style, panels
from lrbench.store.commands import command
from lrbench.wording import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw", "front"]


def draw(source: "PlotSource") -> "Figure":
    """Draw the primary metric (mean ± sd over seeds) against FLOPs per user, one panel per dataset.

    The steps join the models that none beats in both. A model without a count of operations, for instance
    one that looks its scores up, has no place on the axis and is named below it.

    Raises:
        RequestError: no model has a count of operations.
    """
    suite, metric = source.suite, source.suite.primary_metric
    measured = measure(source.trials(), suite.datasets, suite.labels, [metric], source.masked)
    counted = [entry for entry in measured if _flops(entry)]
    if not counted:
        raise RequestError(
            f"No model of suite {suite.name} has a count of operations: what is counted are products of "
            "matrices.",
            f"Their times and memory: {command('report', suite.name, source.results)}",
        )
    datasets = list(dict.fromkeys(entry.dataset for entry in counted))
    figure, axes = panels(datasets)
    for panel, dataset in zip(axes, datasets, strict=True):
        entries = [entry for entry in counted if entry.dataset == dataset]
        flops = np.array([_flops(entry) for entry in entries])
        values = np.array([entry.metrics[metric].mean for entry in entries])
        spreads = np.nan_to_num([entry.metrics[metric].seed_sd for entry in entries])
        for place, entry in enumerate(entries):
            style = {**line_style(suite.labels.index(entry.label)), "linestyle": "none"}
            panel.errorbar(flops[place], values[place], spreads[place], label=entry.label, capsize=3, **style)
        best = front(flops, values)
        panel.step(flops[best], values[best], where="post", color="#888888", linewidth=0.9, zorder=0)
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(EngFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        others = [entry.label for entry in measured if entry.dataset == dataset and not _flops(entry)]
        panel.set_xlabel(fill(f"FLOPs per user{f' (not counted: {listed(others)})' if others else ''}", 48))
    label_left(axes, metric_title(metric))
    legend_below(figure, axes)
    return figure


def _flops(entry: Measured) -> float:
    """Operations per user in its first run; 0 where none are counted."""
    return entry.trials[0].record.flops_per_user


def front(costs: np.ndarray, values: np.ndarray) -> list[int]:
    """Indices of the points that no cheaper or equally dear point reaches, by rising cost."""
    order = np.lexsort((-values, costs))
    kept: list[int] = []
    for index in order.tolist():
        if not kept or values[index] > values[kept[-1]]:
            kept.append(index)
    return kept
