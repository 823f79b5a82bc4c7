"""Two labels on one dataset, and whether their runs are paired because they share trained weights."""

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
        """Whether the two trials of every common seed share a trained stage, and so its luck.

        The configurations alone decide this. Pairing by the results would be a choice after the fact.
        """
        common = self._common_seeds()
        return bool(common) and all(
            self.first.trained_stages[seed] & self.second.trained_stages[seed] for seed in common
        )

    @property
    def same_ranks(self) -> bool:
        """Whether the two labels have the same ranks."""
        return self.first.fingerprint == self.second.fingerprint

    def sides(self, metric: str) -> tuple[UserMetrics, UserMetrics]:
        """Return both metrics; where runs are paired, only the common seeds, in the same order."""
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
    """Return (dataset, label) → the label in whose row it is shown, for labels with the same ranks.

    The row is that of the first such label that is not a control. So a control with the ranks of a baseline
    is shown in the baseline's row. A label with a row of its own has no entry.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for entry in measured:
        groups.setdefault((entry.dataset, entry.fingerprint), []).append(entry.label)
    twins: dict[tuple[str, str], str] = {}
    for (dataset, _), labels in groups.items():
        shown = next((label for label in labels if label not in controls), labels[0])
        twins |= {(dataset, label): shown for label in labels if label != shown}
    return twins
