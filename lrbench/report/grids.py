"""Rows that differ in one numeric option only, as a grid in the suite file makes them."""

from collections.abc import Mapping
from typing import Any

from lrbench.report.provenance import TrainingRecipe
from lrbench.report.report import Report

__all__ = ["grid_lines", "grid_options"]

TRAINING = "training."
"""Prefix of the name of a training setting, as in ``grid`` of a suite."""


def grid_lines(
    recipes: tuple[TrainingRecipe, ...], option: str, labels: tuple[str, ...]
) -> dict[str, list[tuple[float, str]]]:
    """Return groups of rows that differ only in the option, as (value, label) with values ascending.

    The key of a group is the label of its first row. Of several rows with the same value the first counts.

    Args:
        recipes: how the rows were trained.
        option: an option of the model, or ``training.`` and a training setting.
        labels: rows to consider.
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


def _value(recipe: TrainingRecipe, option: str) -> float | None:
    if option.startswith(TRAINING):
        found = next((s.training.get(option.removeprefix(TRAINING)) for s in recipe.stages), None)
    else:
        found = recipe.params.get(option)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _rest(options: Mapping[str, Any], option: str) -> list[tuple[str, Any]]:
    return sorted((name, value) for name, value in options.items() if name != option)


def _stages(recipe: TrainingRecipe, option: str) -> list[tuple[str, Any]]:
    return [(stage.name, _rest(stage.training, option.removeprefix(TRAINING))) for stage in recipe.stages]


def grid_options(report: Report, fewest: int = 2) -> list[str]:
    """Return the options that alone distinguish some rows, with at least ``fewest`` values."""
    recipes = report.provenance.recipes
    names = {name for recipe in recipes for name in recipe.params}
    names |= {f"{TRAINING}{name}" for recipe in recipes for stage in recipe.stages for name in stage.training}
    return sorted(
        name
        for name in names
        if any(len(line) >= fewest for line in grid_lines(recipes, name, report.labels).values())
    )
