"""One comparison over several datasets: the mean relative difference on these, and on others like them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lrbench.report.findings import AcrossDatasets, Comparison, MeanRelative
from lrbench.stats.multiplicity import holm
from lrbench.stats.over_datasets import MIN_RANDOM, MeanEffect, equal_effects, fixed_mean, random_mean

__all__ = ["combine_datasets"]

LabelPair = tuple[str, str]


def combine_datasets(
    comparisons: Sequence[Comparison], declared: Mapping[str, Sequence[LabelPair]]
) -> list[AcrossDatasets]:
    """Combine the logarithms of ratios of every pair of labels that is testable on two datasets or more.

    p-values are corrected after Holm within each family, over its pairs of labels. Pairs with the same
    numbers on every dataset are one hypothesis. A pair that waits for a dataset counts as p = 1 for the
    others.

    Args:
        comparisons: of all families, on all datasets.
        declared: family → its pairs of labels.
    """
    begun = len({comparison.dataset for comparison in comparisons})
    found = []
    for family, pairs in declared.items():
        groups = {
            pair: [c for c in comparisons if (c.family, c.proposed, c.baseline) == (family, *pair)]
            for pair in pairs
        }
        usable = {pair: list(filter(_usable, group)) for pair, group in groups.items()}
        combined = [_combined(family, pair, group) for pair, group in usable.items() if len(group) > 1]
        awaited = sum(len(groups[pair]) < begun for pair in pairs if len(usable[pair]) < 2)
        found += _corrected(combined, awaited)
    return found


def _usable(comparison: Comparison) -> bool:
    error = comparison.relative.log_error
    return comparison.contrast.testable and math.isfinite(error) and error > 0


def _combined(family: str, pair: LabelPair, group: Sequence[Comparison]) -> AcrossDatasets:
    effects = [math.log1p(comparison.relative.value) for comparison in group]
    errors = [comparison.relative.log_error for comparison in group]
    these = fixed_mean(effects, errors, [comparison.relative.df for comparison in group])
    return AcrossDatasets(
        proposed=pair[0],
        baseline=pair[1],
        family=family,
        datasets=len(group),
        these=_relative(these),
        p_adjusted=math.nan,
        others=_relative(random_mean(effects, errors)) if len(group) >= MIN_RANDOM else None,
        equal_effects_p=equal_effects(effects, errors),
    )


def _relative(found: MeanEffect) -> MeanRelative:
    return MeanRelative(
        math.expm1(found.mean), math.expm1(found.low), math.expm1(found.high), found.p, found.tau
    )


def _corrected(combined: Sequence[AcrossDatasets], awaited: int) -> list[AcrossDatasets]:
    p_values = {found.these: found.these.p for found in combined}
    adjusted = dict(zip(p_values, holm(list(p_values.values()), awaited).tolist(), strict=True))
    return [replace(found, p_adjusted=adjusted[found.these]) for found in combined]
