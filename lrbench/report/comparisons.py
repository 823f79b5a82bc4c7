"""Comparisons of labels: declared families, each corrected after Holm, and descriptive comparisons."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lrbench.report.families import family_labels, family_pairs, lacks_runs
from lrbench.report.findings import ALPHA, WORTH_FINDING, Comparison, CrossChecks, Variance, Verdict
from lrbench.report.label_metrics import Measured
from lrbench.report.pairs import Pair, find_pairs
from lrbench.stats.bootstrap import bootstrap_interval, two_level_bootstrap
from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import sides_of_test
from lrbench.stats.effects import paired_effect, probability_of_superiority, relative_difference, user_counts
from lrbench.stats.equivalence import equivalence
from lrbench.stats.multiplicity import benjamini_hochberg, holm
from lrbench.stats.power import minimum_detectable, seeds_to_find
from lrbench.stats.runs import leave_one_run_out
from lrbench.stats.seeds import permute_seeds, welch_seeds
from lrbench.stats.users import paired_users, sign_flip
from lrbench.stats.variance import sources_of
from lrbench.store.suites import SuiteRecord

__all__ = [
    "SAME_RANKS",
    "Hypothesis",
    "compare_labels",
    "declared_comparisons",
    "declared_pairs",
    "descriptive_comparisons",
    "hypothesis_of",
]

SAME_RANKS = "both labels have the same ranks"

Compared = tuple[Pair, Comparison]


def declared_comparisons(measured: Sequence[Measured], suite: SuiteRecord) -> list[Comparison]:
    """Compare the pairs of every family, with the sources of uncertainty and the cross-checks."""
    return [
        replace(comparison, variance=_variance(pair, comparison), checks=_cross_checks(pair, comparison))
        for pair, comparison in declared_pairs(measured, suite)
    ]


def declared_pairs(measured: Sequence[Measured], suite: SuiteRecord) -> list[Compared]:
    """Compare the pairs of every family by the primary metric, with a Holm correction for each family.

    Only testable comparisons are corrected. Two pairs with the same two sets of ranks are one hypothesis:
    both get its p-value, and it counts once. A pair that waits for runs counts as p = 1 for the others. So
    the p-values of complete rows do not rise when the runs come.
    """
    found = []
    for family, pairs in family_pairs(measured, suite).items():
        compared = [(pair, _compare(pair, suite.primary_metric, suite.margin)) for pair in pairs]
        not_begun = len(suite.datasets) * len(family_labels(suite)[family]) - len(pairs)
        for pair, comparison in _confirmatory(compared, suite, not_begun):
            found.append((pair, replace(comparison, family=family)))
    return found


def descriptive_comparisons(
    measured: Sequence[Measured], suite: SuiteRecord, baseline: str | None, metrics: Sequence[str]
) -> list[Comparison]:
    """Compare the pairs of the families by other metrics, and every label with ``baseline`` if there is one.

    p-values are adjusted after Benjamini and Hochberg over all of these.
    """
    pairs = [pair for pairs in family_pairs(measured, suite).values() for pair in pairs]
    others = [metric for metric in metrics if metric != suite.primary_metric]
    wanted = [(pair, metric) for metric in others for pair in pairs]
    if baseline is not None:
        labels = dict.fromkeys(entry.label for entry in measured)
        known = {(pair.first.dataset, pair.first.label, pair.second.label) for pair in pairs}
        against = [
            pair
            for pair in find_pairs(measured, list(labels), (baseline,))
            if (pair.first.dataset, pair.first.label, pair.second.label) not in known
        ]
        wanted += [(pair, metric) for metric in metrics for pair in against]
    compared = [(pair, _compare(pair, metric, suite.margin)) for pair, metric in wanted]
    return [comparison for _, comparison in _descriptive(compared)]


def compare_labels(
    measured: Sequence[Measured], first: str, seconds: Sequence[str], metrics: Sequence[str], margin: float
) -> list[Comparison]:
    """Compare one label with others by any metrics. These comparisons are descriptive.

    p-values are adjusted after Benjamini and Hochberg over all of these.

    Args:
        measured: labels with their metrics.
        first: the label.
        seconds: the other labels.
        metrics: metrics that were measured.
        margin: largest difference that does not matter, as a share of the other label's mean.
    """
    pairs = find_pairs(measured, (first,), tuple(seconds))
    compared = [(pair, _compare(pair, metric, margin)) for pair in pairs for metric in metrics]
    return [comparison for _, comparison in _descriptive(compared)]


def _compare(pair: Pair, metric: str, margin: float) -> Comparison:
    """Compare two labels; :func:`_judged` fills in what depends on the other comparisons."""
    ours, theirs = pair.sides(metric)
    contrast, relative = pair.contrast(metric), relative_difference(ours, theirs, pair.paired)
    if pair.same_ranks:
        contrast = Contrast(contrast.test, contrast.difference, reason=SAME_RANKS, paired=pair.paired)
    if not contrast.testable:
        relative = replace(relative, low=math.nan, high=math.nan, log_error=math.nan, df=math.nan)
    return Comparison(
        dataset=pair.first.dataset,
        metric=metric,
        proposed=pair.first.label,
        baseline=pair.second.label,
        proposed_mean=ours.mean,
        baseline_mean=theirs.mean,
        contrast=contrast,
        p_adjusted=math.nan,
        family="",
        family_size=0,
        awaited=0,
        relative=relative,
        effect_size=paired_effect(ours, theirs),
        superiority=probability_of_superiority(ours, theirs),
        users=user_counts(ours, theirs),
        equivalence=equivalence(contrast, margin * abs(theirs.mean)),
        minimum_detectable=math.nan,
        verdict=Verdict.NOT_TESTABLE,
        variance=None,
        checks=None,
        same_ranks=pair.same_ranks,
    )


def _confirmatory(compared: Sequence[Compared], suite: SuiteRecord, not_begun: int) -> list[Compared]:
    """Correct a declared family after Holm.

    Comparisons of rows that lack runs have p-values that will change. They count as p = 1 for the others, and
    are themselves corrected after Bonferroni.
    """
    waiting = [_waits(pair, suite) for pair, _ in compared]
    complete = _p_values([each for each, waits in zip(compared, waiting, strict=True) if not waits])
    awaited = not_begun + sum(waiting)
    size = len(complete) + awaited
    adjusted = {name: min(1.0, size * p) for name, p in _p_values(compared).items()}
    adjusted |= dict(zip(complete, holm(list(complete.values()), awaited).tolist(), strict=True))
    return _judged(compared, adjusted, size, awaited)


def _waits(pair: Pair, suite: SuiteRecord) -> bool:
    return lacks_runs(pair.first, suite) or lacks_runs(pair.second, suite)


def _descriptive(compared: Sequence[Compared]) -> list[Compared]:
    """Correct comparisons that belong to no family, after Benjamini and Hochberg."""
    p_values = _p_values(compared)
    adjusted = benjamini_hochberg(list(p_values.values())).tolist()
    return _judged(compared, dict(zip(p_values, adjusted, strict=True)), len(p_values), 0)


Hypothesis = tuple[str, str, frozenset[str]]
"""Dataset, metric, and the hashes of both sets of ranks."""


def _p_values(compared: Sequence[Compared]) -> dict[Hypothesis, float]:
    """Return the p-value of each testable hypothesis."""
    return {
        hypothesis_of(pair, comparison): comparison.contrast.p
        for pair, comparison in compared
        if comparison.contrast.testable
    }


def hypothesis_of(pair: Pair, comparison: Comparison) -> Hypothesis:
    """Return what is the same for comparisons that test one thing under several labels."""
    return (
        comparison.dataset,
        comparison.metric,
        frozenset((pair.first.fingerprint, pair.second.fingerprint)),
    )


def _judged(
    compared: Sequence[Compared], adjusted: Mapping[Hypothesis, float], size: int, awaited: int
) -> list[Compared]:
    """Fill in the corrected p-value of each comparison, and what follows from it."""
    judged = []
    for pair, comparison in compared:
        p = adjusted[hypothesis_of(pair, comparison)] if comparison.contrast.testable else math.nan
        changed = replace(
            comparison,
            p_adjusted=p,
            family_size=size,
            awaited=awaited,
            minimum_detectable=minimum_detectable(comparison.contrast, ALPHA / max(size, 1)),
            verdict=_verdict(comparison, p),
        )
        judged.append((pair, changed))
    return judged


def _verdict(comparison: Comparison, p_adjusted: float) -> Verdict:
    if not comparison.contrast.testable:
        return Verdict.NOT_TESTABLE
    if p_adjusted <= ALPHA:
        return Verdict.BETTER if comparison.contrast.difference > 0 else Verdict.WORSE
    if comparison.equivalence.equivalent:
        return Verdict.EQUIVALENT
    return Verdict.OUT_OF_REACH if comparison.equivalence.out_of_reach else Verdict.INCONCLUSIVE


def _variance(pair: Pair, comparison: Comparison) -> Variance | None:
    """Return the sources of the uncertainty, and the number of seeds that would be enough."""
    if not comparison.contrast.testable:
        return None
    ours, theirs = pair.sides(comparison.metric)
    sources = sources_of(*sides_of_test(ours, theirs, pair.paired))
    worth = WORTH_FINDING * abs(theirs.mean)
    return Variance(
        standard_deviation=math.sqrt(max(sources.estimate, 0.0)),
        shares=sources.shares,
        dependent=sources.dependent and not pair.paired,
        seeds_to_find=seeds_to_find(sources, worth, ALPHA / comparison.family_size),
        without_one_run=leave_one_run_out(ours, theirs, pair.paired),
    )


def _cross_checks(pair: Pair, comparison: Comparison) -> CrossChecks | None:
    """Test the same difference by the other tests; each comparison starts its own random generator."""
    if pair.same_ranks:
        return None
    ours, theirs = sides_of_test(*pair.sides(comparison.metric), pair.paired)
    generator = np.random.default_rng(0)
    low, high = bootstrap_interval(two_level_bootstrap(ours, theirs, generator))
    return CrossChecks(
        p_users=paired_users(ours, theirs).p,
        p_users_randomised=sign_flip(ours, theirs, generator),
        p_seeds=welch_seeds(ours, theirs).p,
        p_seeds_exact=permute_seeds(ours, theirs, max(1, comparison.family_size)).p,
        bootstrap_low=low,
        bootstrap_high=high,
    )
