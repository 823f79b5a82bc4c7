"""Where the numbers come from: software, machines, data and settings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrbench.report.provenance import Provenance, StageRecipe, TrainingRecipe
from lrbench.report.report import Report
from lrbench.report.tables.table import Cell, Paragraph, Section, Table
from lrbench.wording import counted, listed, numbered

__all__ = ["common_training", "made_by", "provenance_section", "written_options"]

LONGEST_NUMBER = 8
"""Characters of a setting that is printed with all its digits; longer ones have four digits."""

COLUMNS = ("Model", "registered as", "depth", "draws", "seeds", "options", "training")


def provenance_section(report: Report) -> Section:
    """Tabulate the settings of each row; the paragraphs name software, machines and data."""
    origin = report.provenance
    common = common_training(origin.recipes)
    tables = tuple(
        Table(f"Settings on {note.summary.name}", tuple(_rows(report, note.summary.name, common)))
        for note in report.datasets
    )
    notes = (
        "Depth: latent reasoning steps at inference. Draws: samples of the initial noise; a user's value is "
        "the mean over them.",
        "Options: those of the model, defaults included; later rows of a model show what differs. Training: "
        "settings that not all rows share. Long numbers are rounded to four digits; trial.json has them all.",
    )
    return Section(
        "Provenance", COLUMNS, tables, notes, aligned="left", paragraphs=tuple(_paragraphs(report, common))
    )


def made_by(origin: Provenance) -> str:
    """Return one sentence with dates, devices and versions."""
    versions = "; ".join(
        f"{name} {listed([version[:12] if name == 'commit' else version for version in found])}"
        for name, found in origin.versions.items()
    )
    counts = listed([str(count) for count in origin.threads])
    threads = f" with {counts} {'thread' if origin.threads == (1,) else 'threads'}" if counts else ""
    first, last = origin.started.date().isoformat(), origin.ended.date().isoformat()
    dates = f"on {first}" if first == last else f"from {first} to {last}"
    return (
        f"{counted(origin.trials, 'trial')} run {dates} on {listed(origin.devices)}{threads} "
        f"({versions}); report by lrbench {origin.lrbench}."
    )


def written_options(options: Mapping[str, Any]) -> str:
    """Return ``width = 64, loss = bce``."""
    return ", ".join(f"{name} = {_written(value)}" for name, value in options.items())


def common_training(recipes: Sequence[TrainingRecipe]) -> dict[str, Any]:
    """Return the training settings that all stages of all rows share."""
    stages = [stage.training for recipe in recipes for stage in recipe.stages]
    if not stages:
        return {}
    return {
        name: value for name, value in stages[0].items() if all(stage[name] == value for stage in stages[1:])
    }


def _paragraphs(report: Report, common: Mapping[str, Any]) -> Iterator[Paragraph]:
    origin = report.provenance
    yield Paragraph("Made by", made_by(origin))
    if origin.exact_ranks_to is not None:
        yield Paragraph(
            "Ranks",
            f"Some trials are from a brief archive. It left out ranks beyond {origin.exact_ranks_to} in "
            "validation and at depths other than the reported one. No number of this report needs them.",
        )
    for note in report.datasets:
        summary = note.summary
        checked = "compared with a known checksum" if summary.verified else "not compared with a checksum"
        source = "generated" if summary.synthetic else f"source {summary.source}, {checked}"
        yield Paragraph(
            f"Data: {summary.name}",
            f"{summary.edition.rstrip('.')}; {source}; {', '.join(summary.counts.sizes)}; "
            f"fingerprint {summary.fingerprint}.",
        )
    if common:
        yield Paragraph("Training of all rows", f"{written_options(common)}.")
    if origin.command:
        yield Paragraph("Command", origin.command, code=True)
    if origin.suite_file:
        yield Paragraph("Suite file", origin.suite_file.rstrip(), code=True)


def _rows(report: Report, dataset: str, common: Mapping[str, Any]) -> Iterator[tuple[Cell, ...]]:
    first: dict[str, TrainingRecipe] = {}  # registered model → its first row, which prints all options
    for recipe in report.provenance.recipes:
        if recipe.dataset == dataset and recipe.label in report.labels:
            shown = first.setdefault(recipe.model, recipe)
            texts = (
                recipe.label,
                recipe.model,
                str(recipe.depth),
                str(recipe.draws),
                numbered(recipe.seeds),
                written_options(recipe.params) if shown is recipe else _changed(recipe, shown),
                "; ".join(_stage(stage, common) for stage in recipe.stages),
            )
            yield tuple(Cell(text) for text in texts)


def _changed(recipe: TrainingRecipe, shown: TrainingRecipe) -> str:
    """Return ``as SASRec, with dropout = 0.2``: only what differs from the first row of the model."""
    own = {name: value for name, value in recipe.params.items() if shown.params.get(name, ...) != value}
    return f"as {shown.label}, with {written_options(own)}" if own else f"as {shown.label}"


def _stage(stage: StageRecipe, common: Mapping[str, Any]) -> str:
    own = {name: value for name, value in stage.training.items() if name not in common}
    return f"{stage.name}: {written_options(own)}" if own else stage.name


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(part) for part in value)}]"
    if isinstance(value, float) and len(str(value)) > LONGEST_NUMBER:  # a search draws numbers of 17 digits
        return f"{value:.4g}"
    return str(value)
