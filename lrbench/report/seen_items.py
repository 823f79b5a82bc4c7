"""Do declared findings depend on items that users have seen? The same tests on the ranks without them.

Many protocols rank the items of a user's history, too, and under some no target is one of them. A model then
gains by pushing seen items down, which a filter does for any model. So every declared difference is also
tested without these items. The suite does not declare that: it is exploratory.

Without seen items no target ranks lower, so every metric rises, and equal ratios give larger differences. So
the change is tested for the ratio of the two rows, which a change of level alone does not alter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lrbench.report.comparisons import SAME_RANKS, Hypothesis, declared_pairs, hypothesis_of
from lrbench.report.findings import ALPHA, Comparison, Verdict
from lrbench.report.label_metrics import Measured
from lrbench.report.pairs import Pair
from lrbench.stats.contrast import Contrast
from lrbench.stats.effects import ratio_change
from lrbench.stats.multiplicity import benjamini_hochberg
from lrbench.store.suites import SuiteRecord

__all__ = ["WithoutSeenItems", "compare_without_seen_items"]

DECIDED = (Verdict.BETTER, Verdict.WORSE)


@dataclass(frozen=True)
class WithoutSeenItems:
    """A declared comparison beside the same one without items that users have seen."""

    declared: Comparison
    """On the ranks among all items."""

    comparison: Comparison
    """The same on the ranks without seen items, corrected after Holm over the same family."""

    change: Contrast
    """Logarithm of the ratio of the two means, minus the same without seen items."""

    p_adjusted: float
    """p-value of ``change`` after Benjamini and Hochberg over all declared hypotheses; NaN: not testable."""

    @property
    def dataset(self) -> str:
        """The dataset of both comparisons."""
        return self.declared.dataset

    @property
    def proposed(self) -> str:
        """The proposed label."""
        return self.declared.proposed

    @property
    def baseline(self) -> str:
        """The label that it is compared with."""
        return self.declared.baseline

    @property
    def changes(self) -> bool:
        """Whether only one of the two rankings decides, or they decide for different labels.

        A declared comparison that is not testable has no verdict that could change.
        """
        declared, other = self.declared.verdict, self.comparison.verdict
        decided = declared in DECIDED or other in DECIDED
        return self.declared.contrast.testable and declared is not other and decided

    @property
    def added(self) -> tuple[float, float, float]:
        """By how much seen items raise the ratio of the two rows (0.05 = 5 %), with its 95 % interval."""
        low, high = self.change.interval()
        return math.expm1(self.change.difference), math.expm1(low), math.expm1(high)

    @property
    def depends(self) -> bool:
        """Whether the verdict changes, and the ratio of the two rows is shown to change.

        A verdict alone may change by chance, where a p-value is close to its level.
        """
        return self.changes and self.p_adjusted <= ALPHA


def compare_without_seen_items(
    measured: Sequence[Measured], without: Sequence[Measured], suite: SuiteRecord
) -> list[WithoutSeenItems]:
    """Test the pairs of every family by the primary metric, with and without items that users have seen.

    Pairs with the same ranks under several labels are one hypothesis, as in the declared families.

    Args:
        measured: labels with their metrics on ranks among all items.
        without: the same labels, users and runs on ranks without seen items.
        suite: the suite's record, which declares the families.
    """
    found: list[tuple[tuple[Hypothesis, Hypothesis], WithoutSeenItems]] = []
    for (pair, declared), (left_out, other) in zip(
        declared_pairs(measured, suite), declared_pairs(without, suite), strict=True
    ):
        change = _change(pair, left_out, declared.metric)
        tested = hypothesis_of(pair, declared), hypothesis_of(left_out, other)
        found.append((tested, WithoutSeenItems(declared, other, change, math.nan)))
    p_values = {tested: each.change.p for tested, each in found if each.change.testable}
    adjusted = dict(zip(p_values, benjamini_hochberg(list(p_values.values())).tolist(), strict=True))
    return [replace(each, p_adjusted=adjusted.get(tested, math.nan)) for tested, each in found]


def _change(pair: Pair, left_out: Pair, metric: str) -> Contrast:
    """Test whether the ratio of the two rows changes."""
    (ours, theirs), (ours_without, theirs_without) = pair.sides(metric), left_out.sides(metric)
    change = ratio_change((ours, ours_without), (theirs, theirs_without), pair.paired)
    if pair.same_ranks and left_out.same_ranks:
        return Contrast(change.test, 0.0, reason=SAME_RANKS, paired=pair.paired)
    return change
