"""Is it better? The proposed label against the strongest row of another model."""

from collections import Counter

from lrbench.report.answers.wording import (
    WITH_SEEN_ITEMS,
    changed_without_seen_items,
    common_verdict,
    difference,
    exploratory,
    per_dataset,
    without_seen_items,
)
from lrbench.report.families import SYSTEMS
from lrbench.report.findings import Answer, Comparison, Verdict
from lrbench.report.numbers import metric_title, p_text
from lrbench.report.report import Report

__all__ = ["is_it_better"]

LEADS = {
    Verdict.BETTER: "yes.",
    Verdict.WORSE: "no, it is worse.",
    Verdict.EQUIVALENT: "no, the two are equivalent.",
    Verdict.INCONCLUSIVE: "not shown.",
    Verdict.OUT_OF_REACH: "not shown.",
    Verdict.NOT_TESTABLE: "not testable.",
}

STANDS = {
    Verdict.BETTER: "better than",
    Verdict.WORSE: "worse than",
    Verdict.EQUIVALENT: "equivalent to",
    Verdict.INCONCLUSIVE: "undecided against",
    Verdict.OUT_OF_REACH: "undecided against",
    Verdict.NOT_TESTABLE: "not testable against",
}


def is_it_better(report: Report, label: str) -> Answer:
    """Answer from the comparison with the reference of every dataset."""
    texts, verdicts = [], []
    for reference in report.references:
        if reference.proposed != label:
            continue
        comparison = report.find_comparison(reference, SYSTEMS)
        if comparison is None:
            texts.append((reference.dataset, f"{reference.baseline} is in no declared comparison."))
            verdicts.append("not declared")
            continue
        texts.append((reference.dataset, _sentence(report, comparison)))
        verdicts.append(str(comparison.verdict))
    if not texts:
        return Answer("better", "Better?", label, "There is no other system to compare with.", "no baseline")
    interim = "Interim, as trials are missing. " if report.interim else ""
    text = exploratory(report, interim + per_dataset(report, texts))
    return Answer("better", "Better?", label, text, common_verdict(verdicts))


def _sentence(report: Report, comparison: Comparison) -> str:
    dataset, metric = comparison.dataset, metric_title(comparison.metric)
    ours, theirs = (report.style.plain(mean) for mean in (comparison.proposed_mean, comparison.baseline_mean))
    scores = (
        f"{comparison.proposed} scores {ours}{report.style.unit} {metric}, {comparison.baseline} {theirs}"
    )
    changed = changed_without_seen_items(report, [comparison])
    lead = f"{WITH_SEEN_ITEMS if any(each.depends for each in changed) else ''}{LEADS[comparison.verdict]}"
    if comparison.verdict is Verdict.NOT_TESTABLE:
        return f"{lead} {scores}: {comparison.contrast.reason}.{_synthetic(report, dataset)}"
    result = (
        f"{difference(report, comparison.contrast)}, {p_text(comparison.p_adjusted)} "
        f"(Holm over {comparison.family_size})"
    )
    without = without_seen_items(changed, "; ".join(_without(report, each.comparison) for each in changed))
    return (
        f"{lead} {scores}: {result}.{_equivalence(report, comparison)}{without}"
        f"{_others(report, comparison)}{_synthetic(report, dataset)}"
    )


def _without(report: Report, comparison: Comparison) -> str:
    """Say what a comparison shows without items that users have seen."""
    result = f"{difference(report, comparison.contrast)}, {p_text(comparison.p_adjusted)}"
    if not comparison.contrast.testable:
        result = comparison.contrast.reason
    return f"it is {STANDS[comparison.verdict]} {comparison.baseline} ({result})"


def _equivalence(report: Report, comparison: Comparison) -> str:
    """Say whether the two are equal within the margin, where neither is better."""
    margin = f"{100 * report.margin:g} %"
    if comparison.verdict is Verdict.EQUIVALENT:
        return f" The 90 % interval lies within ± {margin} of {comparison.baseline}."
    if comparison.verdict is Verdict.OUT_OF_REACH:
        if comparison.equivalence.margin == 0:
            return f" {comparison.baseline} scores 0, so no margin in % of its mean can be shown."
        shown = report.margin * comparison.equivalence.shown / comparison.equivalence.margin
        return f" Equal within ± {margin} cannot be shown with these runs, only within ± {100 * shown:.1f} %."
    return ""


def _others(report: Report, comparison: Comparison) -> str:
    """Say in one sentence how the label stands against the other systems, by verdict."""
    others = [
        other
        for other in report.shown_comparisons(SYSTEMS)
        if (other.dataset, other.proposed) == (comparison.dataset, comparison.proposed)
        and other.baseline != comparison.baseline
    ]
    if not others:
        return ""
    stands = Counter(STANDS[other.verdict] for other in others)
    if len(others) == 1:
        return f" It is {next(iter(stands))} the other row."
    counts = [f"{words} {stands[words]}" for words in dict.fromkeys(STANDS.values()) if stands[words]]
    return f" Of the {len(others)} other rows it is {', '.join(counts)}."


def _synthetic(report: Report, dataset: str) -> str:
    synthetic = {note.summary.name for note in report.datasets if note.summary.synthetic}
    return " These are synthetic data." if dataset in synthetic else ""
