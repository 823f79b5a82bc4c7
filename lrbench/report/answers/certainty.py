"""How sure? The number of seeds, the differences that would be missed, and reasons for doubt."""

import math
from collections.abc import Iterator

from lrbench.report.declared import changed_claims, early_looks
from lrbench.report.families import SYSTEMS
from lrbench.report.findings import WORTH_FINDING, Answer, Comparison, Verdict
from lrbench.report.report import Report
from lrbench.report.warnings import WarningKind
from lrbench.stats.user_metrics import MIN_SEEDS
from lrbench.wording import counted, listed

__all__ = ["how_sure"]

UNTESTED = "no comparison with the strongest system is testable"


def how_sure(report: Report, label: str) -> Answer:
    """Answer from the power of the comparisons and the gravest warnings."""
    sentences = [*_power(report, label), *_missing(report), *_caps(report), *_history(report)]
    return Answer("certainty", "How sure?", label, " ".join(sentences), _verdict(report, label))


def _comparisons(report: Report, label: str) -> list[Comparison]:
    found = (
        report.find_comparison(reference, SYSTEMS)
        for reference in report.references
        if reference.proposed == label
    )
    return [comparison for comparison in found if comparison is not None and comparison.contrast.testable]


def _power(report: Report, label: str) -> Iterator[str]:
    seeds = min((row.n_seeds for row in report.rows if row.label == label), default=0)
    comparisons = _comparisons(report, label)
    if not comparisons and all(row.deterministic for row in report.rows if row.label == label):
        yield f"{label} is deterministic, and {UNTESTED}."
        return
    if not comparisons and seeds >= MIN_SEEDS:
        alone = not any(reference.proposed == label for reference in report.references)
        lacking = "there is no other system" if alone else UNTESTED
        yield f"{counted(seeds, 'seed')} of {label}, but {lacking}."
        return
    if not comparisons:
        yield f"{counted(seeds, 'seed')}: nothing can be said about training luck. Run at least 3, better 5."
        return
    values = sorted(comparison.minimum_detectable for comparison in comparisons)
    span = " to ".join(map(report.style.plain, dict.fromkeys((values[0], values[-1]))))
    missed = f"true differences below about {span}{report.style.unit} may be missed"
    yield f"{counted(seeds, 'seed')}: {missed}."
    yield from _without_one_run(report, comparisons)
    yield from _plan(report, comparisons, seeds)


def _plan(report: Report, comparisons: list[Comparison], seeds: int) -> Iterator[str]:
    """Say what would find a difference that is worth finding: more users, or more seeds."""
    plans = {c.dataset: c.variance.seeds_to_find for c in comparisons if c.variance is not None}
    worth = f"A difference of {100 * WORTH_FINDING:g} %"
    beyond = [dataset for dataset, plan in plans.items() if plan is None]
    most = max((plan for plan in plans.values() if plan is not None), default=0)
    if beyond:
        where = f" on {listed(beyond)}" if len(beyond) < len(plans) else ""
        yield f"{worth}{where} takes more users to find, whatever the seeds."
    if most > seeds:
        where = f" on {listed([dataset for dataset in plans if dataset not in beyond])}" if beyond else ""
        yield f"{worth}{where} takes about {most} seeds to find."


def _without_one_run(report: Report, comparisons: list[Comparison]) -> Iterator[str]:
    """Say whether a finding depends on one run: the range of the difference when each is left out in turn."""
    for comparison in comparisons:
        decided = comparison.verdict in (Verdict.BETTER, Verdict.WORSE)
        if not decided or comparison.variance is None or math.isnan(comparison.variance.without_one_run.low):
            continue
        without = comparison.variance.without_one_run
        low, high = report.style.signed(without.low), report.style.signed(without.high)
        where = f" on {comparison.dataset}" if len(report.datasets) > 1 else ""
        yield f"With one run left out, whichever, the difference{where} is {low} to {high}."


def _missing(report: Report) -> Iterator[str]:
    if report.interim:
        yield "Trials are missing, so all of this is interim."


def _caps(report: Report) -> Iterator[str]:
    capped = {w.label for w in report.warnings if w.kind is WarningKind.EPOCH_CAP}
    trained = {cost.label for cost in report.costs if cost.parameters}
    if not capped:
        return
    count = f"All {len(trained)}" if capped >= trained else f"{len(capped)} of {len(trained)}"
    who = "The only trained row" if len(trained) == 1 else f"{count} trained rows"
    yield f"{who} ended at the epoch cap: train longer before you believe any of this."


def _history(report: Report) -> Iterator[str]:
    if changed_claims(report):
        yield "The declaration was changed after results existed."
    if early_looks(report):
        yield "Seeds were added after a look, which raises the false positives."


def _verdict(report: Report, label: str) -> str:
    if report.interim:
        return "interim"
    if not _comparisons(report, label):
        seeds = [row.n_seeds for row in report.rows if row.label == label and not row.deterministic]
        return "too few seeds" if seeds and min(seeds) < MIN_SEEDS else "untested"
    if report.exploratory:
        return "exploratory"
    capped = any(warning.kind is WarningKind.EPOCH_CAP for warning in report.warnings)
    return "undertrained" if capped else "as declared"
