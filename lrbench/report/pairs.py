"""Two labels on one dataset, and whether their runs are paired by what they were trained from."""

from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.report.label_metrics import Measured
from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["Pair", "find_pairs", "find_twins"]


@dataclass(frozen=True)
class Pair:
    """A label and the one it is compared with."""

    first: Measured
    second: Measured

    @property
    def paired(self) -> bool:
        """Whether the two trials of every seed share a trained stage, so that they share its luck.

        This is known from the configurations. Pairing by the outcome would be a choice after the fact.
        """
        common = self._common_seeds()
        return bool(common) and all(
            self.first.trained_stages[seed] & self.second.trained_stages[seed] for seed in common
        )

    @property
    def same_ranks(self) -> bool:
        """Whether the two are one set of ranks under two names."""
        return self.first.fingerprint == self.second.fingerprint

    def sides(self, metric: str) -> tuple[UserMetrics, UserMetrics]:
        """Return both metrics; where runs are paired, of the seeds that both have, in the same order."""
        ours, theirs = self.first.metrics[metric], self.second.metrics[metric]
        if not self.paired:
            return ours, theirs
        common = self._common_seeds()
        return (
            ours.only([self.first.seeds.index(seed) for seed in common]),
            theirs.only([self.second.seeds.index(seed) for seed in common]),
        )

    def contrast(self, metric: str) -> Contrast:
        """Return the crossed test of the two."""
        return crossed(*self.sides(metric), self.paired)

    def _common_seeds(self) -> list[int]:
        if self.first.deterministic or self.second.deterministic:
            return []
        return [seed for seed in self.first.seeds if seed in self.second.seeds]


def find_pairs(measured: Sequence[Measured], firsts: Sequence[str], seconds: Sequence[str]) -> list[Pair]:
    """Return pairs of different labels on the same dataset, by dataset, then first, then second label."""
    by_name = {(entry.dataset, entry.label): entry for entry in measured}
    return [
        Pair(by_name[dataset, first], by_name[dataset, second])
        for dataset in dict.fromkeys(entry.dataset for entry in measured)
        for first in firsts
        for second in seconds
        if first != second and (dataset, first) in by_name and (dataset, second) in by_name
    ]


def find_twins(measured: Sequence[Measured], controls: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return, by dataset and label, the label whose row a label shares because their ranks are the same.

    The row is that of the first of them that is no control. So a control that is the same as a baseline is
    shown as that baseline.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for entry in measured:
        groups.setdefault((entry.dataset, entry.fingerprint), []).append(entry.label)
    twins: dict[tuple[str, str], str] = {}
    for (dataset, _), labels in groups.items():
        shown = next((label for label in labels if label not in controls), labels[0])
        twins |= {(dataset, label): shown for label in labels if label != shown}
    return twins
