"""Families: which comparisons answer one question together, so that their p-values are corrected together.

*Systems* asks whether a proposed label is better than other models. *Reasoning* asks whether it is better
than its own controls, that is, whether its gain comes from its reasoning steps. Controls of other labels
answer neither question and are in no family.
"""

from collections.abc import Sequence

from lrbench.report.findings import Comparison, Family, Reference
from lrbench.report.label_metrics import Measured
from lrbench.report.pairs import Pair
from lrbench.store.suites import SuiteRecord

__all__ = [
    "REASONING",
    "SYSTEMS",
    "controls_of",
    "declared_families",
    "family_labels",
    "family_pairs",
    "find_references",
    "lacks_runs",
    "systems_of",
]

SYSTEMS = "systems"
REASONING = "reasoning"


def systems_of(suite: SuiteRecord) -> tuple[str, ...]:
    """Return the labels that proposed ones are tested against as systems."""
    if suite.against:
        return suite.against
    return tuple(
        label for label in suite.labels if label not in suite.proposed and label not in suite.controls
    )


def controls_of(suite: SuiteRecord, label: str) -> tuple[str, ...]:
    """Return the controls of a label, in the suite's order."""
    return tuple(name for name in suite.labels if name in suite.controls and suite.controls[name].of == label)


def family_labels(suite: SuiteRecord) -> dict[str, list[tuple[str, str]]]:
    """Return the pairs of labels that each family compares on every dataset; it may have none."""
    return {
        SYSTEMS: [(own, other) for own in suite.proposed for other in systems_of(suite) if own != other],
        REASONING: [(own, control) for own in suite.proposed for control in controls_of(suite, own)],
    }


def family_pairs(measured: Sequence[Measured], suite: SuiteRecord) -> dict[str, list[Pair]]:
    """Return the pairs of each family that have finished trials, by dataset, then label.

    A family without such pairs is left out.
    """
    by_name = {(entry.dataset, entry.label): entry for entry in measured}
    families = {
        name: [
            Pair(by_name[dataset, first], by_name[dataset, second])
            for dataset in suite.datasets
            for first, second in labels
            if (dataset, first) in by_name and (dataset, second) in by_name
        ]
        for name, labels in family_labels(suite).items()
    }
    return {name: pairs for name, pairs in families.items() if pairs}


def lacks_runs(row: Measured, suite: SuiteRecord) -> bool:
    """Whether a row has fewer finished runs than its dataset has seeds."""
    return not row.deterministic and len(row.trials) < len(suite.seeds_for(row.dataset))


def declared_families(suite: SuiteRecord, comparisons: Sequence[Comparison]) -> list[Family]:
    """Describe the families that the comparisons belong to."""
    families = []
    declared = family_labels(suite)
    for name in dict.fromkeys(comparison.family for comparison in comparisons):
        members = [comparison for comparison in comparisons if comparison.family == name]
        families.append(
            Family(
                name=name,
                proposed=tuple(dict.fromkeys(own for own, _ in declared[name])),
                against=tuple(dict.fromkeys(other for _, other in declared[name])),
                metric=suite.primary_metric,
                datasets=len(suite.datasets),
                comparisons=len(suite.datasets) * len(declared[name]),
                size=members[0].family_size,
                awaited=members[0].awaited,
                testable=any(comparison.contrast.testable for comparison in members),
            )
        )
    return families


def find_references(measured: Sequence[Measured], suite: SuiteRecord) -> list[Reference]:
    """Return the reference of each proposed label on each dataset: the system with the highest mean.

    Answers compare the label with it. Rows with the same model as the proposed label are its ablations. They
    are chosen only if there is no other system.
    """
    references = []
    for dataset in dict.fromkeys(entry.dataset for entry in measured):
        here = {entry.label: entry for entry in measured if entry.dataset == dataset}
        for proposed in (label for label in suite.proposed if label in here):
            own = here[proposed].trials[0].record.model
            systems = [here[label] for label in systems_of(suite) if label in here]
            others = [entry for entry in systems if entry.trials[0].record.model != own] or systems
            if others:
                best = max(others, key=lambda entry: entry.metrics[suite.primary_metric].mean)
                references.append(Reference(dataset, proposed, best.label))
    return references
