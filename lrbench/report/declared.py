"""What was declared to be tested, and when, as sentences of the caption."""

import itertools
from collections.abc import Iterator, Sequence
from string import ascii_letters

from lrbench.report.families import REASONING, SYSTEMS
from lrbench.report.findings import Comparison, Family
from lrbench.report.numbers import metric_title
from lrbench.report.report import Report
from lrbench.stats.crossed import PAIRED
from lrbench.stats.user_metrics import MIN_SEEDS
from lrbench.store.declarations import Declaration
from lrbench.wording import counted, listed

__all__ = [
    "LETTERS",
    "MOST_NAMES",
    "OTHER_RANKING",
    "changed_claims",
    "early_looks",
    "family_sentences",
    "provenance_sentences",
    "verdict_changes",
]

LETTERS = ascii_letters
"""One letter for each proposed label, where there are several."""

MOST_NAMES = 5
"""The most proposed labels that a sentence names; if there are more, it counts them."""

OTHER_RANKING = "The suite declared its tests for the other ranking: these are exploratory."
"""What a report says whose ranks treat items that users have seen unlike the suite's protocol."""

AGAINST = {
    SYSTEMS: "every label that is neither proposed nor a control",
    REASONING: "its own controls",
}


def family_sentences(report: Report) -> Iterator[str]:
    """Say what the daggers mean, or why there are none, and what could have been found."""
    if not report.proposed:
        yield "No comparison was declared before the runs, so nothing is called significant."
        return
    if not report.families:
        yield "None of the declared comparisons has finished trials yet."
        return
    if report.exploratory:
        yield OTHER_RANKING
    if report.interim:
        yield "Interim: trials are missing, so there are no daggers and nothing is decided."
    testable = [family for family in report.families if family.testable]
    if testable and not report.interim and not report.exploratory:
        yield _daggers(report)
    for family in report.families:
        yield _family(report, family)
    if testable:
        yield (
            "The crossed test is a two-sided t test of the difference of means, in which users and "
            "training runs are both random. Its degrees of freedom are Satterthwaite's. "
            "Its result is about users like these under this split."
        )
        yield from _pairing(report)
        yield _power(report)


def provenance_sentences(report: Report) -> Iterator[str]:
    """Say when the hypotheses were declared, whether they changed, and which reports had been seen before."""
    if not report.proposed:
        return
    for first in report.declarations[:1]:
        if first.time is None or first.finished is None or report.exploratory:
            continue
        seen = "before any of its trials had finished"
        if first.finished:
            seen = f"when {counted(first.finished, 'trial')} had finished"
        yield f"Declared on {first.time:%Y-%m-%d}, {seen}."
    for before, after in changed_claims(report):
        when = f"on {after.time:%Y-%m-%d}, when {counted(after.finished or 0, 'trial')} had finished"
        old, new = _claim(before), _claim(after)
        if before.margin != after.margin:
            old, new = f"{old}, {_margin(before)}", f"{new}, {_margin(after)}"
        yield (
            f"The declaration was changed {when}: from {old} to {new}. "
            "Choosing a hypothesis after results exist raises the false positives."
        )
    yield from _looks(report)


def changed_claims(report: Report) -> list[tuple[Declaration, Declaration]]:
    """Return each claim that was changed after results existed, with the one that replaced it."""
    return [
        (before, after)
        for before, after in itertools.pairwise(report.declarations)
        if after.time is not None and after.finished and not after.same_claim(before)
    ]


def early_looks(report: Report) -> list[int]:
    """Return the numbers of seeds with which somebody saw a test before more seeds were planned.

    A look does not count where today's number of seeds had been declared by then. Nobody chose, after that
    look, whether to go on.
    """
    now = min((row.n_seeds for row in report.rows if not row.deterministic), default=0)
    planned = [claim.time for claim in report.declarations if claim.time and len(claim.seeds) >= now]
    return sorted(
        {
            look.seeds
            for look in report.looks
            if MIN_SEEDS <= look.seeds < now and not any(time <= look.time for time in planned)
        }
    )


def _looks(report: Report) -> Iterator[str]:
    if earlier := early_looks(report):
        counts = listed([str(count) for count in earlier])
        yield (
            f"Seeds were added after a report had been seen with {counts}. Adding seeds until the result "
            "pleases raises false positives: to 13 % instead of 5 % with a look at each number from 3 to 10."
        )


def verdict_changes(report: Report, dataset: str | None = None) -> str:
    """Say how many declared verdicts change without items that users have seen, as the end of a sentence.

    It is empty where nothing is testable, or where the report ranks no seen items.

    Args:
        report: the report.
        dataset: the dataset; `None`: all of the report.
    """
    found = [each for each in report.shown_without_seen_items if dataset in (None, each.dataset)]
    if not found:
        return ""
    changed, depends = sum(each.changes for each in found), sum(each.depends for each in found)
    verb = "change" if changed > 1 else "changes"
    shown = f", {depends or 'none'} of them by a ratio that is shown to change" if changed else ""
    return f"{changed or 'none'} of {counted(len(found), 'verdict')} {verb}{shown}"


def _claim(declaration: Declaration) -> str:
    proposed = listed(declaration.proposed) if declaration.proposed else "nothing"
    against = f" against {listed(declaration.against)}" if declaration.against else ""
    return f"{proposed}{against} on {metric_title(declaration.primary_metric)}"


def _margin(declaration: Declaration) -> str:
    if declaration.margin is None:
        return "equal within an unknown margin"
    return f"equal within ± {100 * declaration.margin:g} %"


def _daggers(report: Report) -> str:
    metric = metric_title(report.primary_metric)
    if report.primary_metric not in report.metrics:
        return f"Differences are tested and marked by {metric}, which is no column here: no daggers."
    where = f"on a row's {metric}"
    who, letters = report.proposed[0], ""
    if len(report.proposed) > 1:
        pairs = zip(LETTERS, report.proposed, strict=False)
        who = "the lettered label"
        letters = f" Letters: {', '.join(f'{letter} {label}' for letter, label in pairs)}."
    return (
        f"A dagger {where}: {who} is better (†) or worse (‡) than this row by the crossed test, "
        f"α = 0.05 after Holm over its family.{letters}"
    )


def _family(report: Report, family: Family) -> str:
    against = AGAINST[family.name]
    named = [label for label in family.against if label not in report.controls]
    if family.name == SYSTEMS and report.against:
        against = listed(named or list(family.against))
    datasets = counted(family.datasets, "dataset")
    proposed = listed(family.proposed)
    if len(family.proposed) > 1:
        against = against.replace("its own", "their own")
    if len(family.proposed) > MOST_NAMES:
        proposed = f"the {len(family.proposed)} proposed labels"
    declared = f"{proposed} × {against} × {datasets} on {metric_title(family.metric)}"
    if not family.testable:
        members = [c for c in report.comparisons if c.family == family.name]
        reasons = "; ".join(dict.fromkeys(comparison.contrast.reason for comparison in members))
        return (
            f"Family “{family.name}”: {declared}, {counted(family.comparisons, 'comparison')}: "
            f"not testable ({reasons})."
        )
    if family.awaited:
        wait = "waits for runs and counts" if family.awaited == 1 else "wait for runs and count"
        return (
            f"Family “{family.name}”: {declared}; after Holm over {counted(family.size, 'comparison')}, of "
            f"which {family.awaited} {wait} as p = 1 for the others."
        )
    return f"Family “{family.name}”: {declared}; after Holm over {_corrected(report, family)}."


def _corrected(report: Report, family: Family) -> str:
    """Say how many comparisons are corrected; rows with the same ranks make one hypothesis."""
    tested = sum(c.family == family.name and c.contrast.testable for c in report.comparisons)
    if tested == family.size:
        return f"the {family.size} testable of {family.comparisons} comparisons"
    repeated = tested - family.size
    verb = "repeats" if repeated == 1 else "repeat"
    untested = family.comparisons - tested
    also = f", and {untested} {'is' if untested == 1 else 'are'} not testable" if untested else ""
    return f"{family.size} of {family.comparisons} comparisons, as {repeated} {verb} another{also}"


def _pairing(report: Report) -> Iterator[str]:
    together = dict.fromkeys(
        f"{comparison.proposed} with {comparison.baseline}"
        for comparison in report.comparisons
        if comparison.contrast.paired
    )
    if together:
        yield (
            f"Runs that share trained weights are compared run by run (“{PAIRED}”): {listed(list(together))}."
        )


def _power(report: Report) -> str:
    """Say which differences may be missed, per dataset."""
    testable = [comparison for comparison in report.comparisons if comparison.contrast.testable]
    parts = [
        f"{_span(report, [c for c in testable if c.dataset == dataset])} on {dataset}"
        for dataset in dict.fromkeys(comparison.dataset for comparison in testable)
    ]
    metric = metric_title(report.primary_metric)
    return (
        f"True differences in {metric} below about {listed(parts)} may be missed. "
        "The power to find them is below 80 % at the level of the family, estimated from these runs."
    )


def _span(report: Report, comparisons: Sequence[Comparison]) -> str:
    values = sorted(comparison.minimum_detectable for comparison in comparisons)
    low, high = report.style.plain(values[0]), report.style.plain(values[-1])
    return low if low == high else f"{low} to {high}"
