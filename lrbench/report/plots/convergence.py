"""The validation metric over epochs: did training end because it had converged?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.ticker import MaxNLocator

from lrbench.config.controls import CONTROLS
from lrbench.errors import RequestError
from lrbench.report.curves import Curve
from lrbench.report.numbers import metric_title
from lrbench.report.plots import TooMuchError
from lrbench.report.plots.style import (
    label_below,
    label_left,
    legend_below,
    line_style,
    panels,
    row_style,
)
from lrbench.report.report import Report
from lrbench.wording import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]

MOST_TOGETHER = 6
"""The most rows in one panel. If there are more, each model has panels of its own, with its controls."""

MOST_PANELS = 48
"""The most panels that can be read in one figure."""

MODEL = "the model"
"""What the legend calls the model of a panel, if each model has its own panels."""


@dataclass(frozen=True)
class Rows:
    """The rows of one panel for each dataset and stage."""

    title: str
    """Empty if there are no other rows."""

    curves: Sequence[Curve]
    """Each training run once, as rows that share one would hide each other."""

    names: Mapping[str, str]
    """Label → name in the legend, for the labels that are drawn."""

    styles: Mapping[str, Mapping[str, Any]]
    """Label → colour, marker and dash."""


def draw(source: "PlotSource") -> "Figure":
    """Draw a line per row: the mean of those of its runs that still train.

    A band reaches from the lowest to the highest of them. Markers are the selected epochs of the runs. There
    is one panel per dataset and stage. If there are more rows than one panel can show, each model has its own
    panels, with its controls. Colours then tell apart the kinds of control. A training run that several rows
    share is drawn once.

    Raises:
        RequestError: no finished trial has epochs, or there are too many rows.
    """
    report = source.report
    if not report.curves:
        raise RequestError(
            f"No finished trial of suite {report.suite} has epochs, as its models are fitted in one call.",
            "Choose a suite with a model that is trained in epochs.",
        )
    together = _together(report)
    crowded = len(together.names) > MOST_TOGETHER
    models = _by_model(report) if crowded else [together]
    places = [
        (rows, dataset, stage)
        for dataset in dict.fromkeys(curve.dataset for curve in report.curves)
        for rows in models
        for stage in dict.fromkeys(curve.stage for curve in rows.curves if curve.dataset == dataset)
    ]
    if len(places) > MOST_PANELS:
        raise TooMuchError(
            f"{len(places)} panels cannot be read in one figure; {MOST_PANELS} can.",
            "Choose rows or datasets: --only 'LARES*,SASRec', --hide, or --datasets.",
        )
    stages = len(dict.fromkeys(curve.stage for curve in together.curves))
    figure, axes = panels(
        [_title(*place, report) for place in places],
        source.width,
        across=3 if crowded else stages,
        height=1.6 if crowded else 1.9,
    )
    entries: dict[str, Artist] = {}
    for panel, (rows, dataset, stage) in zip(axes, places, strict=True):
        for label, name in rows.names.items():
            runs = [c for c in rows.curves if (c.label, c.dataset, c.stage) == (label, dataset, stage)]
            if runs:
                entries[name] = _line(panel, runs, rows.styles[label])
        label_below(panel, "epoch (markers: selected)")
        panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    label_left(axes, f"validation {metric_title(report.protocol.selection_metric)}")
    if crowded:
        ordered = [MODEL, *(_words(control) for control in CONTROLS)]
    else:
        ordered = list(together.names.values())
    legend_below(figure, {name: entries[name] for name in ordered if name in entries})
    return figure


def _line(panel: "Axes", runs: Sequence[Curve], style: Mapping[str, Any]) -> Artist:
    """Draw the runs of one row; return the line of their means, with its marker, for the legend."""
    values: dict[int, list[float]] = {}
    for run in runs:
        for epoch, value in zip(run.epochs, run.values, strict=True):
            values.setdefault(epoch, []).append(value)
    epochs = sorted(values)
    (line,) = panel.plot(epochs, [fmean(values[epoch]) for epoch in epochs], markevery=[], **style)
    low, high = ([best(values[epoch]) for epoch in epochs] for best in (min, max))
    panel.fill_between(epochs, low, high, color=style["color"], alpha=0.15, linewidth=0)
    for run in runs:
        if run.selected is not None:
            best = run.values[run.epochs.index(run.selected)]
            panel.plot([run.selected], [best], **style)
    return line


def _title(rows: Rows, dataset: str, stage: str, report: Report) -> str:
    """Name the rows of a panel, and what tells it apart from their other panels."""
    several = len({curve.dataset for curve in report.curves}) > 1
    stages = len({curve.stage for curve in rows.curves})
    parts = (
        rows.title,
        dataset if several or not rows.title else "",
        stage if stages > 1 or not rows.title else "",
    )
    return ", ".join(filter(None, parts))


def _together(report: Report) -> Rows:
    """Return all rows. Noise-only controls share runs with their model, reused stages with another row."""
    ordered = sorted(report.labels, key=lambda label: label in report.controls)  # models, then controls
    curves, also = _distinct(report, ordered)
    names = {
        label: f"{label} (also {listed(also[label])})" if also[label] else label
        for label in report.labels
        if label in also
    }
    return Rows("", curves, names, {label: row_style(report, label) for label in names})


def _by_model(report: Report) -> list[Rows]:
    """Return the rows of each model. A control is a model of its own if its model is not shown."""
    records = report.controls
    own = [each for each in report.labels if each not in records or records[each].of not in report.labels]
    return [_of_model(report, label) for label in own if any(curve.label == label for curve in report.curves)]


def _of_model(report: Report, model: str) -> Rows:
    """Return a model and its controls. A noise-only control, which trains nothing, is left out."""
    kinds = {
        label: record.control
        for label, record in report.controls.items()
        if record.of == model and label in report.labels and record.control != "noise-only"
    }
    curves, also = _distinct(report, [model, *kinds])
    names = {label: MODEL if label == model else _words(kinds[label]) for label in also}
    same = [f"{_words(kinds[other])} = {names[label]}" for label, found in also.items() for other in found]
    numbers = {label: 0 if label == model else 1 + list(CONTROLS).index(kinds[label]) for label in names}
    styles = {label: line_style(number) for label, number in numbers.items()}
    return Rows(f"{model} ({listed(same)})" if same else model, curves, names, styles)


def _distinct(report: Report, labels: Sequence[str]) -> tuple[list[Curve], dict[str, list[str]]]:
    """Return every training run of some rows once, and label → rows that only have runs of this label."""
    first: dict[object, Curve] = {}
    curves = [curve for label in labels for curve in report.curves if curve.label == label]
    for curve in curves:
        first.setdefault((curve.dataset, curve.stage, curve.epochs, curve.values), curve)
    also: dict[str, list[str]] = {curve.label: [] for curve in first.values()}
    for curve in curves:
        shown = first[curve.dataset, curve.stage, curve.epochs, curve.values].label
        if curve.label not in also and curve.label not in also[shown]:
            also[shown].append(curve.label)
    return list(first.values()), also


def _words(control: str) -> str:
    return control.replace("-", " ")
