"""Which comparisons answer one question together: the families that are corrected as wholes.

*Systems* asks whether a proposed label is better than other models. *Reasoning* asks whether it is better
than its own controls, so whether its gain is that of its reasoning steps. Other labels' controls answer
neither question and are in no family.
"""

from collections.abc import Sequence

from lrbench.report.findings import Comparison, Family
from lrbench.report.label_metrics import Measured
from lrbench.report.pairs import Pair, find_pairs
from lrbench.store.suites import SuiteRecord

__all__ = ["REASONING", "SYSTEMS", "controls_of", "declared_families", "family_pairs", "systems_of"]

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


def family_pairs(measured: Sequence[Measured], suite: SuiteRecord) -> dict[str, list[Pair]]:
    """Return the pairs of each family that has any."""
    systems = find_pairs(measured, suite.proposed, systems_of(suite))
    reasoning = [
        pair for label in suite.proposed for pair in find_pairs(measured, (label,), controls_of(suite, label))
    ]
    families = {SYSTEMS: systems, REASONING: _by_dataset(reasoning, measured)}
    return {name: pairs for name, pairs in families.items() if pairs}


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
            )
        )
    return families


def _by_dataset(pairs: Sequence[Pair], measured: Sequence[Measured]) -> list[Pair]:
    datasets = list(dict.fromkeys(entry.dataset for entry in measured))
    return sorted(pairs, key=lambda pair: datasets.index(pair.first.dataset))
