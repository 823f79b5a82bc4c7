"""Rows that differ in one numeric option, as one line: quality by the option, with its cost."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist

from lrbench.errors import RequestError, did_you_mean
from lrbench.report.numbers import amount, metric_title
from lrbench.report.plots.style import check_lines, label_left, legend_below, line_style, panels
from lrbench.report.provenance import Recipe
from lrbench.report.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw", "grid_lines"]

TRAINING = "training."
"""Begins the name of a training setting, as in a suite's ``grid``."""


def draw(source: "PlotSource") -> "Figure":
    """Draw one panel per dataset: the primary metric of each row at its own depth, by the option.

    Bars are one standard deviation over seeds. Where all lines share their costs, a second axis above
    gives the operations per user.

    Raises:
        RequestError: no rows differ in this option alone, or there are too many lines.
    """
    report = source.report
    lines = grid_lines(report.provenance.recipes, source.option, report.labels)
    if not lines:
        options = _numeric_options(report)
        raise RequestError(
            f'No two rows of suite {report.suite} differ in the option "{source.option}" alone.',
            did_you_mean(source.option, options) if options else "A grid in the suite file makes such rows.",
        )
    check_lines(len(lines))
    datasets = [note.summary.name for note in report.datasets]
    means = {(row.dataset, row.label): row for row in report.rows if row.metric == report.primary_metric}
    entries: dict[str, Artist] = {}
    figure, axes = panels(datasets, source.width)
    for panel, dataset in zip(axes, datasets, strict=True):
        for number, (name, values) in enumerate(lines.items()):
            places = [(value, means[dataset, label]) for value, label in values if (dataset, label) in means]
            spread = [0.0 if row.sd != row.sd else row.sd for _, row in places]  # NaN: one seed
            x, y = [value for value, _ in places], [row.mean for _, row in places]
            entries[name] = panel.errorbar(x, y, spread, capsize=2, **line_style(number))[0]
        panel.set_xlabel(f"{source.option} in training (bar: ± 1 SD over seeds)")
        if len(lines) == 1:
            _cost_axis(panel, report, dataset, next(iter(lines.values())))
    label_left(axes, metric_title(report.primary_metric))
    if len(lines) > 1:
        legend_below(figure, entries)
    return figure


def grid_lines(
    recipes: tuple[Recipe, ...], option: str, labels: tuple[str, ...]
) -> dict[str, list[tuple[float, str]]]:
    """Return the rows that differ in the option alone, by a common name, as (value, label) ascending.

    Of rows with one value the first counts.
    """
    groups: dict[str, dict[float, str]] = {}
    names: dict[str, str] = {}
    for recipe in recipes:
        value = _value(recipe, option)
        if value is None or recipe.label not in labels:
            continue
        key = repr((recipe.model, _rest(recipe.params, option), _stages(recipe, option)))
        groups.setdefault(key, {}).setdefault(value, recipe.label)
        names.setdefault(key, recipe.label)
    return {names[key]: sorted(values.items()) for key, values in groups.items() if len(values) > 1}


def _value(recipe: Recipe, option: str) -> float | None:
    if option.startswith(TRAINING):
        found = next((s.training.get(option.removeprefix(TRAINING)) for s in recipe.stages), None)
    else:
        found = recipe.params.get(option)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _rest(options: Mapping[str, Any], option: str) -> list[tuple[str, Any]]:
    return sorted((name, value) for name, value in options.items() if name != option)


def _stages(recipe: Recipe, option: str) -> list[tuple[str, Any]]:
    return [(stage.name, _rest(stage.training, option.removeprefix(TRAINING))) for stage in recipe.stages]


def _numeric_options(report: Report) -> list[str]:
    """Options that some rows differ in alone."""
    recipes = report.provenance.recipes
    names = {name for recipe in recipes for name in recipe.params}
    names |= {f"{TRAINING}{name}" for recipe in recipes for stage in recipe.stages for name in stage.training}
    return sorted(name for name in names if grid_lines(recipes, name, report.labels))


def _cost_axis(panel: Any, report: Report, dataset: str, values: list[tuple[float, str]]) -> None:
    costs = {cost.label: cost.flops_per_user for cost in report.costs if cost.dataset == dataset}
    known = [(value, costs[label]) for value, label in values if costs.get(label, float("nan")) > 0]
    if len(known) < 2:
        return
    above = panel.secondary_xaxis("top")
    shown = known[:: -(-len(known) // 4)]
    above.set_xticks([value for value, _ in shown], [amount(cost) for _, cost in shown])
    above.set_xlabel("FLOPs per user")
