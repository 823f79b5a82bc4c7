"""Families: which comparisons answer one question together, so that their p-values are corrected together.

*Systems* asks whether a proposed label is better than other models. *Reasoning* asks whether it is better
than its own controls, that is, whether its gain comes from its reasoning steps. Controls of other labels
answer neither question and are in no family.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.report.findings import Comparison, Family, Reference
from lrbench.report.label_metrics import Measured
from lrbench.report.pairs import Pair
from lrbench.store.suites import SuiteRecord

__all__ = [
    "REASONING",
    "SYSTEMS",
    "FamilyPairs",
    "controls_of",
    "declared_families",
    "family_pairs",
    "find_references",
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


@dataclass(frozen=True)
class FamilyPairs:
    """The pairs of a family that have finished trials, and the number of those that have none yet."""

    pairs: tuple[Pair, ...]
    not_begun: int


def family_pairs(measured: Sequence[Measured], suite: SuiteRecord) -> dict[str, FamilyPairs]:
    """Return the pairs of each family, by dataset, then label; a family without pairs is left out."""
    systems = [(label, other) for label in suite.proposed for other in systems_of(suite) if label != other]
    reasoning = [(label, control) for label in suite.proposed for control in controls_of(suite, label)]
    families = {
        name: _pairs_of(labels, measured, suite)
        for name, labels in ((SYSTEMS, systems), (REASONING, reasoning))
    }
    return {name: family for name, family in families.items() if family.pairs}


def _pairs_of(
    labels: Sequence[tuple[str, str]], measured: Sequence[Measured], suite: SuiteRecord
) -> FamilyPairs:
    by_name = {(entry.dataset, entry.label): entry for entry in measured}
    pairs = tuple(
        Pair(by_name[dataset, first], by_name[dataset, second])
        for dataset in suite.datasets
        for first, second in labels
        if (dataset, first) in by_name and (dataset, second) in by_name
    )
    return FamilyPairs(pairs, not_begun=len(suite.datasets) * len(labels) - len(pairs))


def declared_families(suite: SuiteRecord, comparisons: Sequence[Comparison]) -> list[Family]:
    """Describe the families that the comparisons belong to."""
    families = []
    for name in dict.fromkeys(comparison.family for comparison in comparisons):
        members = [comparison for comparison in comparisons if comparison.family == name]
        families.append(
            Family(
                name=name,
                proposed=tuple(dict.fromkeys(comparison.proposed for comparison in members)),
                against=tuple(dict.fromkeys(comparison.baseline for comparison in members)),
                metric=suite.primary_metric,
                comparisons=len(members),
                size=members[0].family_size,
                awaited=members[0].awaited,
            )
        )
    return families


def find_references(
    measured: Sequence[Measured], suite: SuiteRecord, baseline: str | None
) -> list[Reference]:
    """Choose the reference of each proposed label on each dataset: the label with which answers compare it.

    That is ``baseline`` if the user asked for one, else the system with the highest mean. Rows with the same
    model as the proposed label are its ablations. They are chosen only if there is no other system.
    """
    references = []
    for dataset in dict.fromkeys(entry.dataset for entry in measured):
        here = {entry.label: entry for entry in measured if entry.dataset == dataset}
        for proposed in (label for label in suite.proposed if label in here):
            own = here[proposed].trials[0].record.model
            systems = [here[label] for label in systems_of(suite) if label in here]
            others = [entry for entry in systems if entry.trials[0].record.model != own] or systems
            if baseline is not None and baseline in here and baseline != proposed:
                others = [here[baseline]]
            if others:
                best = max(others, key=lambda entry: entry.metrics[suite.primary_metric].mean)
                references.append(Reference(dataset, proposed, best.label))
    return references
