"""Comparisons of labels: the declared family under Holm, and descriptive ones beside it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lrbench.report.label_metrics import Measured
from lrbench.report.report import ALPHA, Comparison, CrossChecks, Verdict
from lrbench.stats.bootstrap import bootstrap_interval, two_level_bootstrap
from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.effects import (
    Relative,
    paired_effect,
    probability_of_superiority,
    relative_difference,
    user_counts,
)
from lrbench.stats.equivalence import equivalence, practical_margin
from lrbench.stats.multiplicity import Floats, benjamini_hochberg, holm
from lrbench.stats.power import minimum_detectable
from lrbench.stats.seeds import permute_seeds, welch_seeds
from lrbench.stats.user_metrics import UserMetrics
from lrbench.stats.users import paired_users, sign_flip

__all__ = ["SAME_TRIALS", "confirmatory_family", "descriptive_comparisons"]

SAME_TRIALS = "both labels stand for the same trials"


def confirmatory_family(
    measured: Sequence[Measured], proposed: Sequence[str], metric: str
) -> list[Comparison]:
    """Compare every proposed label with every other label on every dataset, under Holm.

    Holm runs over exactly the testable comparisons; the others stay in the list with their reason.
    """
    pairs = _pairs(measured, proposed, lambda label: label not in proposed)
    family = _adjust([_compare(first, second, metric) for first, second in pairs], holm)
    return [
        replace(
            comparison,
            confirmatory=True,
            checks=None if first.ids == second.ids else _cross_checks(first, second, comparison),
        )
        for comparison, (first, second) in zip(family, pairs, strict=True)
    ]


def descriptive_comparisons(
    measured: Sequence[Measured],
    proposed: Sequence[str],
    baseline: str | None,
    metrics: Sequence[str],
    primary_metric: str,
) -> list[Comparison]:
    """Compare by the metrics outside the family, and every label with ``baseline`` where one is asked for.

    p-values are adjusted after Benjamini and Hochberg over all of these.
    """
    others = [metric for metric in metrics if metric != primary_metric]
    family = _pairs(measured, proposed, lambda label: label not in proposed)
    wanted = [(pair, metric) for metric in others for pair in family]
    if baseline is not None:
        labels = dict.fromkeys(entry.label for entry in measured if entry.label != baseline)
        against = _pairs(measured, list(labels), lambda label: label == baseline)
        known = {(id(first), id(second)) for first, second in family}
        wanted += [
            (pair, metric)
            for metric in metrics
            for pair in against
            if (id(pair[0]), id(pair[1])) not in known
        ]
    compared = [_compare(first, second, metric) for (first, second), metric in wanted]
    return _adjust(compared, benjamini_hochberg)


def _pairs(
    measured: Sequence[Measured], firsts: Sequence[str], is_second: Callable[[str], bool]
) -> list[tuple[Measured, Measured]]:
    """Pairs of labels on the same dataset, by dataset, then first, then second label."""
    return [
        (first, second)
        for dataset in dict.fromkeys(entry.dataset for entry in measured)
        for name in firsts
        for first in measured
        if (first.dataset, first.label) == (dataset, name)
        for second in measured
        if second.dataset == dataset and is_second(second.label)
    ]


def _compare(first: Measured, second: Measured, metric: str) -> Comparison:
    """Compare two labels; what depends on the other comparisons is filled in later."""
    ours, theirs = first.metrics[metric], second.metrics[metric]
    contrast, relative = crossed(ours, theirs), relative_difference(ours, theirs)
    if first.ids == second.ids:
        contrast = Contrast(contrast.test, contrast.difference, reason=SAME_TRIALS)
    if not contrast.testable:
        relative = Relative(relative.value, math.nan, math.nan)
    return Comparison(
        dataset=first.dataset,
        metric=metric,
        proposed=first.label,
        baseline=second.label,
        contrast=contrast,
        p_adjusted=math.nan,
        confirmatory=False,
        family_size=0,
        relative=relative,
        effect_size=paired_effect(ours, theirs),
        superiority=probability_of_superiority(ours, theirs),
        users=user_counts(ours, theirs),
        equivalence=equivalence(contrast, practical_margin(theirs)),
        minimum_detectable=minimum_detectable(contrast),
        verdict=Verdict.NOT_TESTABLE,
        checks=None,
    )


def _adjust(comparisons: Sequence[Comparison], method: Callable[[list[float]], Floats]) -> list[Comparison]:
    """Adjust the p-values of the testable comparisons together, and say what each shows."""
    p_values = [comparison.contrast.p for comparison in comparisons if comparison.contrast.testable]
    adjusted = iter(method(p_values).tolist())
    finished = []
    for comparison in comparisons:
        p = next(adjusted) if comparison.contrast.testable else math.nan
        finished.append(
            replace(comparison, p_adjusted=p, family_size=len(p_values), verdict=_verdict(comparison, p))
        )
    return finished


def _verdict(comparison: Comparison, p_adjusted: float) -> Verdict:
    if not comparison.contrast.testable:
        return Verdict.NOT_TESTABLE
    if p_adjusted <= ALPHA:
        return Verdict.BETTER if comparison.contrast.difference > 0 else Verdict.WORSE
    return Verdict.EQUIVALENT if comparison.equivalence.equivalent else Verdict.INCONCLUSIVE


def _cross_checks(first: Measured, second: Measured, comparison: Comparison) -> CrossChecks:
    """Ask the same difference by the other tests, with a random generator of its own."""
    pair: tuple[UserMetrics, UserMetrics] = (
        first.metrics[comparison.metric],
        second.metrics[comparison.metric],
    )
    generator = np.random.default_rng(0)
    low, high = bootstrap_interval(two_level_bootstrap(*pair, generator))
    return CrossChecks(
        p_users=paired_users(*pair).p,
        p_users_randomised=sign_flip(*pair, generator),
        p_seeds=welch_seeds(*pair).p,
        p_seeds_exact=permute_seeds(*pair, max(1, comparison.family_size)).p,
        bootstrap_low=low,
        bootstrap_high=high,
    )
