"""For whom does a model work? The primary metric by length of history and by popularity of the target.

Groups are quartiles, users with the same value staying together, so that they are of about equal size; the
axis says which values each holds and how many users.
"""

from typing import TYPE_CHECKING

import numpy as np

from lrbench.data.dataset import PreparedDataset
from lrbench.errors import CheckError
from lrbench.report.label_metrics import Measured, measure
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import label_left, legend_below, line_style, panels
from lrbench.report.user_groups import user_traits
from lrbench.stats.groups import quartiles as group_numbers
from lrbench.store.frames import aligned_ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

from lrbench.arrays import Int64s

__all__ = ["draw", "quartiles"]


def draw(source: "PlotSource") -> "Figure":
    """Draw two panels per dataset; error bars are one standard deviation over seeds.

    Raises:
        CheckError: the prepared dataset is not the one that the trials were ranked on.
    """
    suite, metric = source.suite, source.suite.primary_metric
    trials = source.trials()
    measured = measure(trials, suite.datasets, suite.labels, [metric], source.masked)
    datasets = list(dict.fromkeys(entry.dataset for entry in measured))
    traits = ("history length", "training interactions of the target")
    figure, axes = panels([f"{dataset}" for dataset in datasets for _ in traits], across=2)
    for row, dataset in enumerate(datasets):
        entries = [entry for entry in measured if entry.dataset == dataset]
        users = aligned_ranks(entries[0].trials, source.masked).users
        values = user_traits(_matching(source, entries[0]), entries[0].trials[0].record.protocol, users)
        for panel, trait, of_user in zip(axes[2 * row : 2 * row + 2], traits, values, strict=True):
            _panel(panel, entries, suite.labels, metric, of_user)
            panel.set_xlabel(f"{trait} (users)")
    label_left(axes, metric_title(metric))
    legend_below(figure, axes)
    return figure


def quartiles(values: Int64s) -> tuple[Int64s, list[str]]:
    """Return the group of each value, (users,), and the groups' names; equal values share a group."""
    groups = group_numbers(values)
    names = []
    for group in range(groups.max() + 1):
        inside = values[groups == group]
        span = f"{inside.min()}" if inside.min() == inside.max() else f"{inside.min()}–{inside.max()}"
        names.append(f"{span}\n({len(inside):,})")
    return groups, names


def _panel(
    panel: "Axes", entries: list[Measured], labels: tuple[str, ...], metric: str, of_user: Int64s
) -> None:
    """Draw one point per label and group, the labels side by side."""
    groups, names = quartiles(of_user)
    for place, entry in enumerate(entries):
        means = np.stack(
            [entry.metrics[metric].values[:, groups == group].mean(axis=1) for group in range(len(names))]
        )  # (groups, seeds)
        spread = means.std(axis=1, ddof=1) if means.shape[1] > 1 else np.zeros(len(names))
        shift = 0.7 * ((place + 0.5) / len(entries) - 0.5)
        style = {**line_style(labels.index(entry.label)), "linestyle": "none"}
        panel.errorbar(
            np.arange(len(names)) + shift,
            means.mean(axis=1),
            spread,
            label=entry.label,
            markersize=4,
            **style,
        )
    panel.set_xticks(range(len(names)), names)


def _matching(source: "PlotSource", entry: Measured) -> PreparedDataset:
    """Load the prepared dataset, and refuse another than the trials were ranked on."""
    dataset = source.prepared(entry.dataset)
    wanted = entry.trials[0].record.dataset.fingerprint
    if dataset.record.fingerprint != wanted:
        raise CheckError(
            f"The prepared {entry.dataset} has fingerprint {dataset.record.fingerprint}, not {wanted}.",
            "Run the suite again, or give the data folder that it used with --data-dir.",
        )
    return dataset
