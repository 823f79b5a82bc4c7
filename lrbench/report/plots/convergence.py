"""The validation metric over epochs: did training end because it had converged?"""

from typing import TYPE_CHECKING

import polars as pl
from matplotlib.ticker import MaxNLocator

from lrbench.errors import RequestError
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import label_left, legend_below, line_style, panels
from lrbench.store.trials import read_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset and stage, one thin line per run, a marker at the selected epoch.

    Raises:
        RequestError: no finished trial has epochs.
    """
    curves = [
        (trial, stage, curve)
        for trial in source.trials()
        for stage in trial.record.stages
        if len(curve := _curve(read_history(trial.folder), stage.name))
    ]
    if not curves:
        raise RequestError(
            f"No finished trial of suite {source.suite.name} has epochs.",
            "Its models are fitted in one call.",
        )
    stages = list(dict.fromkeys(stage.name for _, stage, _ in curves))
    datasets = list(dict.fromkeys(trial.cell.dataset for trial, _, _ in curves))
    places = [(dataset, stage) for dataset in datasets for stage in stages]
    figure, axes = panels([f"{dataset}, {stage}" for dataset, stage in places], across=len(stages))
    labels = [label for label in source.suite.labels if any(t.cell.label == label for t, _, _ in curves)]
    for trial, stage, curve in curves:
        panel = axes[places.index((trial.cell.dataset, stage.name))]
        style = line_style(source.suite.labels.index(trial.cell.label))
        marker = style.pop("marker")
        epochs, values = curve["epoch"].to_list(), curve["validation_metric"].to_list()
        panel.plot(epochs, values, linewidth=0.8, alpha=0.7, **style)
        if stage.best_epoch is not None and stage.best_epoch in epochs:
            best = values[epochs.index(stage.best_epoch)]
            panel.plot([stage.best_epoch], [best], marker, color=style["color"], markersize=5)
    for label in labels:
        axes[0].plot([], [], label=label, **line_style(source.suite.labels.index(label)))
    for panel in axes:
        panel.set_xlabel("epoch (marker: selected)")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_left(axes, f"validation {metric_title(source.suite.protocol.selection_metric)}")
    legend_below(figure, axes)
    return figure


def _curve(history: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Epochs of a stage that were validated."""
    if "validation_metric" not in history.columns:
        return history.clear()
    return history.filter(stage=stage).drop_nulls("validation_metric").sort("epoch")
