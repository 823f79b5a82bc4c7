"""The paragraphs on the setup of experiments: sentences on data, protocol, training, tests and machines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrbench.report.declared import MOST_NAMES, OTHER_RANKING
from lrbench.report.families import REASONING
from lrbench.report.findings import Family
from lrbench.report.numbers import metric_title
from lrbench.report.provenance import TrainingRecipe
from lrbench.report.report import DatasetNote, Report
from lrbench.report.tables import Paragraph, common_training, written_options
from lrbench.report.tuning import searched_spaces
from lrbench.wording import counted, listed

__all__ = ["settings_by_model", "setup_paragraphs"]


def setup_paragraphs(report: Report) -> list[Paragraph]:
    """Return the paragraphs in the order in which a paper has them; one on tuning only if rows were tuned."""
    parts = {
        "Data.": (_data(note) for note in report.datasets),
        "Protocol.": _protocol(report),
        "Training.": _training(report),
        "Tuning.": _tuning(report),
        "Statistics.": _statistics(report),
        "Environment.": _environment(report),
    }
    paragraphs = (Paragraph(title, " ".join(sentences)) for title, sentences in parts.items())
    return [paragraph for paragraph in paragraphs if paragraph.text]


def _data(note: DatasetNote) -> str:
    summary = note.summary
    users, items, interactions = summary.counts.sizes
    synthetic = "synthetic data; " if summary.synthetic else ""
    return (
        f"{summary.name} ({synthetic}{summary.edition.rstrip('.')}) has {users}, {items} and "
        f"{interactions} after filtering "
        f"(fingerprint {summary.fingerprint})."
    )


def _protocol(report: Report) -> Iterator[str]:
    protocol = report.protocol
    yield f"We follow the protocol {protocol.name} of lrbench: {protocol.summary}."
    seen = "without the items of the user's history" if report.masked else "the user's history included"
    yield f"Every held-out item is ranked among all items, {seen}; no negatives are sampled."
    yield "Items with equal scores count as if their order were random."
    metrics = listed([metric_title(metric) for metric in report.metrics])
    yield f"We report {metrics}."


def _training(report: Report) -> Iterator[str]:
    recipes = report.provenance.recipes
    common = common_training(recipes)
    if common:
        yield f"All models share these training settings: {written_options(common)}."
    yield (
        "Training stops early on the validation "
        f"{metric_title(report.protocol.selection_metric)}, and the best epoch's weights are kept."
    )
    seeds = sorted({row.n_seeds for row in report.rows if not row.deterministic})
    if seeds:
        number = counted(seeds[-1], "random seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
        yield f"Each model is trained with {number}; values are means over them."
    draws = sorted({recipe.draws for recipe in recipes if recipe.draws > 1})
    if draws:
        yield f"A user's value is the mean over {listed([str(count) for count in draws])} draws of the noise."
    yield "Table~settings lists all other settings."


def _tuning(report: Report) -> Iterator[str]:
    yield from report.tuning_notes
    for (_, space), labels in searched_spaces(report.tuning).items():
        yield f"Searched for {listed(labels)}: {space}."


def _statistics(report: Report) -> Iterator[str]:
    if not any(family.testable for family in report.families):
        yield "No comparison is tested."
        return
    yield (
        "Differences of means are tested with users and training runs both random (crossed test: t with "
        "Satterthwaite's degrees of freedom), two-sided at α = 0.05."
    )
    if report.exploratory:
        yield OTHER_RANKING
    for family in report.families:
        size = "1 testable hypothesis" if family.size == 1 else f"{family.size} testable hypotheses"
        if family.awaited:
            size = f"{family.size} hypotheses, of which {family.awaited} wait for runs (p = 1)"
        yield (
            f"The family “{family.name}” compares {listed(list(family.proposed))} with {_others(family)} on "
            f"{metric_title(family.metric)}; Holm's correction is over its {size}."
        )
    if report.seen_items_note:
        yield (
            "We repeat these tests on the ranks without items that users have seen: "
            f"{report.seen_items_note}."
        )
    shown = [each.minimum_detectable for each in report.comparisons if each.contrast.testable]
    if shown:
        size = f"{report.style.plain(max(shown))}{report.style.unit}"
        yield f"True differences below about {size} may be missed (power below 80 %)."


def _others(family: Family) -> str:
    """Name what a family's labels are compared with; many controls are not listed."""
    if family.name == REASONING and len(family.against) > MOST_NAMES:
        return f"{'its' if len(family.proposed) == 1 else 'their'} own controls"
    return listed(list(family.against))


def _environment(report: Report) -> Iterator[str]:
    origin = report.provenance
    packages = ", ".join(
        f"{name} {listed(list(found))}" for name, found in origin.versions.items() if name != "commit"
    )
    commits = origin.versions.get("commit", ())
    at = f" at commit {listed([commit[:12] for commit in commits])}" if commits else ""
    yield f"Experiments ran on {listed(list(origin.devices))} with lrbench{at} ({packages})."


def settings_by_model(recipes: Sequence[TrainingRecipe], labels: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return registered model → setting → value: all options, and training settings that not all rows share.

    Where rows of a model have different values, each value names its rows.
    """
    settings: dict[str, dict[str, str]] = {}
    common = common_training(recipes)
    shown = [recipe for recipe in recipes if recipe.label in labels]
    for model in dict.fromkeys(recipe.model for recipe in shown):
        rows = [(recipe.label, _options(recipe, common)) for recipe in shown if recipe.model == model]
        names = dict.fromkeys(name for _, options in rows for name in options)
        settings[model] = {name: _values(rows, name) for name in names}
    return settings


def _options(recipe: TrainingRecipe, common: Mapping[str, Any]) -> dict[str, Any]:
    training = {
        f"{stage.name}: {name}": value
        for stage in recipe.stages
        for name, value in stage.training.items()
        if name not in common
    }
    return {**recipe.params, **training}


def _values(rows: Sequence[tuple[str, Mapping[str, Any]]], name: str) -> str:
    found: dict[str, list[str]] = {}
    for label, options in rows:
        if name not in options:
            continue
        value = written_options({name: options[name]}).partition(" = ")[2]
        if label not in found.setdefault(value, []):
            found[value].append(label)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{value} ({listed(labels)})" for value, labels in found.items())
