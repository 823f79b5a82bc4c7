"""One comparison over three or more datasets: the mean relative difference, with datasets as random."""

import math
from collections.abc import Sequence

from lrbench.report.findings import AcrossDatasets, Comparison
from lrbench.stats.random_effects import MIN_EFFECTS, random_effects

__all__ = ["combine_datasets"]


def combine_datasets(comparisons: Sequence[Comparison]) -> list[AcrossDatasets]:
    """Combine the logarithms of ratios of every pair of labels that is testable on enough datasets."""
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in comparisons:
        error = comparison.relative.log_error
        if comparison.contrast.testable and math.isfinite(error) and error > 0:
            key = comparison.family, comparison.proposed, comparison.baseline
            groups.setdefault(key, []).append(comparison)
    return [_combined(key, group) for key, group in groups.items() if len(group) >= MIN_EFFECTS]


def _combined(key: tuple[str, str, str], group: Sequence[Comparison]) -> AcrossDatasets:
    family, proposed, baseline = key
    found = random_effects(
        [math.log1p(comparison.relative.value) for comparison in group],
        [comparison.relative.log_error for comparison in group],
    )
    return AcrossDatasets(
        proposed=proposed,
        baseline=baseline,
        family=family,
        mean=math.expm1(found.mean),
        low=math.expm1(found.low),
        high=math.expm1(found.high),
        p=found.p,
        tau=found.tau,
        heterogeneity_p=found.heterogeneity_p,
        datasets=found.effects,
    )
