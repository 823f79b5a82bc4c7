"""Answers for all proposed labels together: how many are shown to be better, at what, and how many worse."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from lrbench.config.controls import CONTROLS, Control
from lrbench.report.answers.wording import capitalised
from lrbench.report.declared import verdict_changes
from lrbench.report.families import REASONING, SYSTEMS
from lrbench.report.findings import ALPHA, Comparison, Verdict
from lrbench.report.report import Report
from lrbench.wording import listed

__all__ = [
    "controls_over_datasets",
    "controls_together",
    "systems_together",
    "use_together",
    "without_seen_together",
]

WITHOUT: dict[Control, str] = {
    "no-reasoning": "without steps",
    "parameter-matched": "with as many parameters",
    "flops-matched": "with as many FLOPs",
    "loss-matched": "with the same losses",
    "noise-only": "reading noise",
}
"""Control → how it differs from its label."""

USED_ONLY = " This says that trained weights use their steps, not that steps help."


def systems_together(report: Report, dataset: str) -> str:
    """Say how many labels are better or worse than the strongest system of another model; empty: untested."""
    references = [each for each in report.references if each.dataset == dataset]
    names = sorted({reference.baseline for reference in references})
    found = [report.find_comparison(reference, SYSTEMS) for reference in references]
    tested = [each.verdict for each in found if each is not None and each.contrast.testable]
    if not tested:
        return ""
    strongest = f"{names[0]}, the strongest other system" if len(names) == 1 else "the strongest other system"
    verdicts = Counter(tested)
    better, worse, equal = (verdicts[each] for each in (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT))
    return (
        f"Shown to be better than {strongest}: {better} of {len(tested)}. Shown to be worse: {worse}. Equal "
        f"within ± {100 * report.margin:g} %: {equal}. Undecided: {len(tested) - better - worse - equal}."
    )


def controls_together(report: Report, dataset: str) -> str:
    """Say how many labels are better or worse than each kind of their own controls; empty: untested."""
    return _beside_controls(report, ((each.baseline, each.verdict) for each in _reasoning(report, dataset)))


def controls_over_datasets(report: Report) -> str:
    """Say the same of the means over datasets; empty: there are none."""
    text, without = (
        _beside_controls(
            report, ((each.baseline, each.verdict) for each in means if each.family == REASONING)
        )
        for means in (report.across, report.across_without_seen_items)
    )
    if not text:
        return ""
    also = f" Without seen items: {without}" if without not in ("", text) else ""
    every = max(found.datasets for found in report.across)
    which = "these" if every <= len(report.datasets) else f"all {every}"
    return f"{text} Means over {which} datasets, which no family declares: exploratory.{also}"


def _beside_controls(report: Report, found: Iterable[tuple[str, Verdict]]) -> str:
    tested: dict[Control, list[Verdict]] = {kind: [] for kind in CONTROLS}
    for baseline, verdict in found:
        tested[report.controls[baseline].control].append(verdict)
    better = [_share(kind, verdicts, Verdict.BETTER) for kind, verdicts in tested.items() if verdicts]
    worse = [
        _share(kind, verdicts, Verdict.WORSE)
        for kind, verdicts in tested.items()
        if Verdict.WORSE in verdicts
    ]
    if not better:
        return ""
    lost = f" Shown to be worse: {listed(worse)}." if worse else " None is shown to be worse."
    return f"Shown to be better than their own control: {listed(better)}.{lost}"


def without_seen_together(report: Report, dataset: str) -> str:
    """Say the same of systems and controls without items that users have seen; empty: no verdict changes."""
    here = [each for each in report.without_seen_items if each.dataset == dataset]
    if not any(each.changes for each in here):
        return ""
    without = replace(
        report,
        comparisons=tuple(each.comparison for each in here),
        references=report.references_without_seen_items,
    )
    parts = (
        f"{capitalised(verdict_changes(report, dataset))}.",
        systems_together(without, dataset),
        controls_together(without, dataset),
        "Exploratory.",
    )
    return " ".join(filter(None, parts))


def use_together(report: Report, dataset: str) -> str:
    """Say how many labels need their steps once they are trained with them; empty: nothing was measured."""
    contrasts = [
        contrast
        for found in report.depth_findings
        if (found.dataset, found.label in report.proposed) == (dataset, True)
        if (contrast := found.against(0)) is not None and contrast.testable
    ]
    readings = [
        found.reading
        for found in report.interventions
        if (found.dataset, found.label in report.proposed) == (dataset, True)
        if found.reading.tested
    ]
    sentences, gains, used = [], 0, 0
    if contrasts:
        shown = [each.difference for each in contrasts if each.p <= ALPHA]
        gains = sum(each > 0 for each in shown)
        worse = f" Worse: {len(shown) - gains}." if len(shown) > gains else ""
        sentences.append(
            f"Better at the reported depth than at depth 0 of the same weights: {gains} of {len(contrasts)}."
            f"{worse}"
        )
    if readings:
        used = sum(reading.used for reading in readings)
        sentences.append(f"Lose quality with another latent state: {used} of {len(readings)}.")
    if sentences:
        sentences.append(f"Not corrected.{USED_ONLY if gains or used else ''}")
    return " ".join(sentences)


def _reasoning(report: Report, dataset: str) -> Iterable[Comparison]:
    for each in report.comparisons:
        if (each.family, each.dataset) == (REASONING, dataset) and each.contrast.testable:
            yield each


def _share(kind: Control, verdicts: list[Verdict], wanted: Verdict) -> str:
    return f"{verdicts.count(wanted)} of {len(verdicts)} {WITHOUT[kind]}"
