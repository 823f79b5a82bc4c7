"""Mean ranks over datasets with Nemenyi's critical difference (Demšar 2006)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from lrbench.errors import RequestError
from lrbench.report.findings import ALPHA
from lrbench.report.label_metrics import measure
from lrbench.report.numbers import metric_title, p_value
from lrbench.stats.friedman import MIN_DATASETS, Friedman, friedman
from lrbench.store.commands import command

if TYPE_CHECKING:
    from lrbench.report.plots import PlotSource

__all__ = ["cliques", "draw"]


def draw(source: "PlotSource") -> Figure:
    """Draw the labels by mean rank; bars join those that are not separable.

    Raises:
        RequestError: fewer than six datasets or three labels have all their means.
    """
    suite, metric = source.suite, source.suite.primary_metric
    measured = measure(source.trials(), suite.datasets, suite.labels, [metric], source.masked)
    means = {(entry.dataset, entry.label): entry.metrics[metric].mean for entry in measured}
    datasets = list(dict.fromkeys(entry.dataset for entry in measured))
    labels = [label for label in suite.labels if all((dataset, label) in means for dataset in datasets)]
    values = np.array([[means[dataset, label] for label in labels] for dataset in datasets])
    if len(datasets) < MIN_DATASETS or len(labels) < 3:
        raise RequestError(
            f"A critical difference needs {MIN_DATASETS} datasets and 3 labels that were run on all of them; "
            f"suite {suite.name} has {len(datasets)} and {len(labels)}.",
            f"Look at the datasets one by one: {command('report', suite.name, source.results)}",
        )
    result = friedman(values)
    figure = _diagram(result, labels)
    figure.suptitle(
        f"Mean rank by {metric_title(metric)} over {len(datasets)} datasets; Friedman p {_equals(result.p)}",
        fontsize=9,
    )
    return figure


def cliques(mean_ranks: Sequence[float], critical_difference: float) -> list[tuple[float, float]]:
    """Widest runs of mean ranks within the critical difference, each as its ends; none inside another."""
    ordered = sorted(mean_ranks)
    runs: list[tuple[float, float]] = []
    for low in ordered:
        high = max(rank for rank in ordered if rank - low <= critical_difference)
        if high > low and (not runs or high > runs[-1][1]):
            runs.append((low, high))
    return runs


def _diagram(result: Friedman, labels: Sequence[str]) -> Figure:
    """The axis of ranks on top, labels on both sides below it, bars between."""
    order = np.argsort(result.mean_ranks, kind="stable")
    count, half = len(labels), (len(labels) + 1) // 2
    # Nemenyi's test follows a Friedman test that rejects; bars without it would suggest groups.
    bars = cliques(result.mean_ranks.tolist(), result.critical_difference) if result.p <= ALPHA else []
    top = 0.5 * len(bars) + 0.6
    figure = Figure(figsize=(6.5, 0.9 + 0.2 * (top + half)), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(1 - 0.02 * count, count + 0.02 * count)
    axes.set_ylim(top + half + 0.2, -1.4)
    axes.xaxis.tick_top()
    axes.set_xticks(range(1, count + 1))
    axes.spines[["left", "bottom", "right"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.set_yticks([])
    axes.plot([1, 1 + result.critical_difference], [-0.8, -0.8], color="black", marker="|")
    axes.text(
        1 + result.critical_difference,
        -0.8,
        f" critical difference {result.critical_difference:.2f} ",
        va="center",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    for number, (low, high) in enumerate(bars):
        height = 0.4 + 0.5 * number
        axes.plot(
            [low - 0.03, high + 0.03], [height, height], color="black", linewidth=3, solid_capstyle="butt"
        )
    for place, index in enumerate(order.tolist()):
        left = place < half
        height = top + (place if left else count - 1 - place) + 0.3
        edge = 1.0 if left else float(count)
        rank = float(result.mean_ranks[index])
        axes.plot([rank, rank, edge], [-1.4, height, height], color="#666666", linewidth=0.8, zorder=0)
        text = f"{labels[index]} ({rank:.2f})"
        axes.annotate(
            text,
            (edge, height),
            xytext=(-4 if left else 4, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
        )
    return figure


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"
