"""The content of a report, before any format: computed once from stored ranks, the same in every format.

Numbers are unrounded. NaN means "not known", such as a spread over one run or a p-value without a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lrbench.config.protocol import Protocol
from lrbench.report.budgets import Budget
from lrbench.report.curves import Curve
from lrbench.report.findings import (
    AcrossDatasets,
    Answer,
    Comparison,
    Family,
    GroupFinding,
    RecoveryFinding,
    Reference,
    TuningFinding,
)
from lrbench.report.numbers import MetricStyle
from lrbench.report.provenance import Provenance
from lrbench.report.seen_items import WithoutSeenItems
from lrbench.report.step_findings import DepthFinding, InterventionFinding, OracleFinding
from lrbench.report.warnings import ReportWarning
from lrbench.stats.prediction import prediction_interval
from lrbench.store.declarations import Declaration, Look
from lrbench.store.suites import ControlRecord, Match
from lrbench.store.trials import DatasetSummary

__all__ = [
    "Cost",
    "DatasetNote",
    "DepthCost",
    "DepthPoint",
    "PublishedValue",
    "QualityRow",
    "Report",
    "StageCost",
]

REPRODUCED = 0.03
"""Largest relative difference from a published number that counts as reproduced."""


@dataclass(frozen=True)
class DatasetNote:
    """A dataset of the report."""

    summary: DatasetSummary
    n_users: int
    """Users with a held-out item."""


@dataclass(frozen=True)
class QualityRow:
    """One label on one dataset by one metric."""

    dataset: str
    label: str
    metric: str
    mean: float
    sd: float
    """Sample standard deviation over seeds; 0 for a deterministic model, NaN for one seed of another."""

    n_seeds: int
    n_users: int
    rank: int
    """1 + the number of labels with a higher mean; ties share a rank."""

    best: bool
    second: bool
    ties_with_best: bool | None
    """Whether no difference from the best is shown; `None` where that is not testable."""

    depth: int
    """Depth of the ranks it was computed from."""

    deterministic: bool
    same_as: str = ""
    """The label in whose row a table shows this one, since both have the same ranks; empty for most."""

    relative: float | None = None
    """Difference from the report's baseline (0.05 = 5 %); `None` without one, and for the baseline itself."""


@dataclass(frozen=True)
class StageCost:
    """One training stage, as means over runs."""

    name: str
    epochs: float
    steps: float
    """Optimiser steps."""

    seconds: float
    reused: bool = False
    """Whether a run took the stage's weights from another trial. Its time is then that of the other trial."""


@dataclass(frozen=True)
class DepthCost:
    """The cost of inference at one depth, as means over runs; NaN or missing where it was not measured."""

    depth: int
    flops_per_user: float
    latency: Mapping[int, float]
    """Users in a batch → seconds per 1,000 users."""


@dataclass(frozen=True)
class Cost:
    """The cost of a label on a dataset, as means over runs; of memory the maximum over runs."""

    dataset: str
    label: str
    parameters: int
    """Number of trained weights; 0 for a model that counts, or that is solved in one call."""

    steps: float
    """Optimiser steps."""

    epochs: float
    train_seconds: float
    flops_per_user: float
    """Floating-point operations of matrix products. No other work is counted, so it is NaN without any."""

    peak_memory_bytes: int
    stages: tuple[StageCost, ...]
    depth: int = 0
    """The depth whose ranks reports use."""

    by_depth: tuple[DepthCost, ...] = ()
    """One for each depth of inference; empty for trials of earlier versions, which did not measure it."""

    @property
    def latency(self) -> Mapping[int, float]:
        """Users in a batch → seconds per 1,000 users, at ``depth``; empty where not measured."""
        return next((part.latency for part in self.by_depth if part.depth == self.depth), {})


@dataclass(frozen=True)
class DepthPoint:
    """The primary metric of one label at one depth."""

    dataset: str
    label: str
    depth: int
    mean: float
    sd: float
    n_seeds: int
    valid_mean: float
    """The mean on validation targets."""

    reported: bool
    """Whether the other tables use this depth."""

    chosen: bool
    """Whether validation would choose it: the shallowest within one standard error of its best."""

    evaluated_later: bool = False
    """Whether ``lrbench evaluate`` ranked it after the run."""


@dataclass(frozen=True)
class PublishedSource:
    """Where numbers were published."""

    name: str
    title: str
    year: int
    table: str
    """The table, or another place in the publication in words; may be empty."""

    link: str


@dataclass(frozen=True)
class PublishedValue:
    """A published number and the label's own, from ranks with or without seen items as in the publication."""

    dataset: str
    label: str
    metric: str
    masked: bool
    """Whether items of the user's history are left out of the ranks, in both numbers."""

    published: float
    mean: float
    sd: float
    n_seeds: int
    source: str
    """Name of a :class:`PublishedSource`."""

    differs: str
    """What the publication does differently."""

    @property
    def relative(self) -> float:
        """The label's number over the published one, minus 1."""
        return self.mean / self.published - 1

    @property
    def predicted(self) -> tuple[float, float]:
        """The 95 % prediction interval of one run of the label; NaN where it has one run."""
        return prediction_interval(self.mean, self.sd, self.n_seeds)

    @property
    def reproduced(self) -> bool:
        """Whether they differ by at most 3 %."""
        return abs(self.relative) <= REPRODUCED


@dataclass(frozen=True)
class Report:
    """Everything that the formats show."""

    suite: str
    protocol: Protocol
    masked: bool
    """Whether items of the user's history were left out of the ranks."""

    primary_metric: str
    metrics: tuple[str, ...]
    datasets: tuple[DatasetNote, ...]
    labels: tuple[str, ...]
    proposed: tuple[str, ...]
    baseline: str | None
    """The label to which percentages are relative; `None` where the user asked for none."""

    rows: tuple[QualityRow, ...]
    comparisons: tuple[Comparison, ...]
    """The declared families, by the primary metric: systems first, then reasoning."""

    descriptive: tuple[Comparison, ...]
    """Comparisons on other metrics and with ``baseline``, which belong to no family."""

    costs: tuple[Cost, ...]
    depths: tuple[DepthPoint, ...]
    depth_findings: tuple[DepthFinding, ...]
    interventions: tuple[InterventionFinding, ...]
    """What rows lose when their latent state is replaced; empty where no intervention was ranked."""

    recoveries: tuple[RecoveryFinding, ...]
    """How much of the cost of sharing accounts each row wins back; empty under other protocols."""

    published: tuple[PublishedValue, ...]
    """Published numbers that labels can be compared with."""

    provenance: Provenance
    warnings: tuple[ReportWarning, ...]
    families: tuple[Family, ...] = ()
    without_seen_items: tuple[WithoutSeenItems, ...] = ()
    """``comparisons`` on ranks without items that users have seen; empty if ``masked``."""

    across: tuple[AcrossDatasets, ...] = ()
    """Means over datasets; empty with fewer than two datasets."""

    across_without_seen_items: tuple[AcrossDatasets, ...] = ()
    """The same of ``without_seen_items``."""

    references_without_seen_items: tuple[Reference, ...] = ()
    """Those of ``references`` that have the highest mean without seen items."""

    seen_items_note: str = ""
    """How many declared verdicts of the suite change without seen items, as the end of a sentence."""

    margin: float = 0.02
    """Differences below this share of the other label's mean do not matter in practice."""

    interim: bool = False
    """Whether trials or seeds are missing, so that nothing is decided yet."""

    declarations: tuple[Declaration, ...] = ()
    against: tuple[str, ...] = ()
    """The labels against which proposed ones are tested, as declared; empty: all that are neither
    proposed nor controls."""

    seen_seeds: int = 0
    """Smallest number of finished seeds over all rows of the suite, shown or not; 0 if nothing is tested."""

    looks: tuple[Look, ...] = ()
    """Earlier reports of the suite, with the number of seeds that each showed."""

    references: tuple[Reference, ...] = ()
    published_sources: tuple[PublishedSource, ...] = ()
    """The sources that ``published`` names."""

    groups: tuple[GroupFinding, ...] = ()
    tuning: tuple[TuningFinding, ...] = ()
    """What searches for settings found; empty where no row is tuned."""

    tuning_notes: tuple[str, ...] = ()
    """Sentences for the caption: which rows were tuned and how."""

    groups_lacking: Mapping[str, str] = field(default_factory=dict)
    """Dataset → why there are no groups of users: its prepared data is ``absent`` or ``different``."""

    answers: tuple[Answer, ...] = ()
    controls: Mapping[str, ControlRecord] = field(default_factory=dict)
    """Label of a control → the row and the kind of control that it is."""

    matches: tuple[Match, ...] = ()
    """How closely the parameter-matched and FLOPs-matched controls match their models."""

    caption: tuple[str, ...] = ()
    """The sentences of the caption, in reading order."""

    style: MetricStyle = field(default_factory=MetricStyle)
    """How metrics are written in tables; machine-readable formats never round."""

    curves: tuple[Curve, ...] = ()
    """Validation metrics over epochs, of every run and stage."""

    oracles: tuple[OracleFinding, ...] = ()
    """The best depth of each user in hindsight, for rows with a noise-only control or several draws."""

    budgets: tuple[Budget, ...] = ()
    """What tuning with fewer trials would have found, for rows that were tuned."""

    rows_of_suite: int = 0
    """Number of rows of the suite; larger than that of ``labels`` where some are not shown."""

    answered: "Report | None" = None
    """The same with all rows that proposed labels are compared with, also hidden ones; `None`: all are shown.

    The answers and the table at a glance are made from it.
    """

    @property
    def exploratory(self) -> bool:
        """Whether the suite declared its tests for another ranking or metric than those of this report."""
        metric = self.declarations[-1].primary_metric if self.declarations else self.primary_metric
        declared = self.masked == self.protocol.mask_seen and self.primary_metric == metric
        return bool(self.proposed) and not declared

    @property
    def title_note(self) -> str:
        """What titles of tests have at their end, such as `` (interim)``; empty where all is final."""
        notes = {"interim": self.interim, "exploratory": self.exploratory}
        told = ", ".join(note for note, holds in notes.items() if holds)
        return f" ({told})" if told else ""

    @cached_property
    def twins(self) -> dict[tuple[str, str], str]:
        """(Dataset, label) → the label in whose row tables show it, since both have the same ranks."""
        return {(row.dataset, row.label): row.same_as for row in self.rows if row.same_as in self.labels}

    def find_comparison(self, reference: Reference, family: str) -> Comparison | None:
        """Return a proposed label's comparison with its reference in a family; `None` if not declared."""
        wanted = family, reference.dataset, reference.proposed, reference.baseline
        for found in self.comparisons:
            if (found.family, found.dataset, found.proposed, found.baseline) == wanted:
                return found
        return None

    def shown_comparisons(self, family: str) -> list[Comparison]:
        """Return a family's comparisons without those of rows that tables show in another row."""
        members = [comparison for comparison in self.comparisons if comparison.family == family]
        pairs = {(c.dataset, c.proposed, c.baseline) for c in members}
        return [
            c
            for c in members
            if (c.dataset, c.proposed, self.twins.get((c.dataset, c.baseline))) not in pairs
        ]

    def find_without_seen_items(self, declared: Comparison) -> WithoutSeenItems | None:
        """Return a declared comparison without items that users have seen; `None`: it was not made."""
        wanted = declared.family, declared.dataset, declared.proposed, declared.baseline
        for found in self.without_seen_items:
            if (found.declared.family, found.dataset, found.proposed, found.baseline) == wanted:
                return found
        return None

    @property
    def shown_without_seen_items(self) -> list[WithoutSeenItems]:
        """The testable declared comparisons that tables show, beside those without seen items."""
        shown = (each for family in self.families for each in self.shown_comparisons(family.name))
        found = (self.find_without_seen_items(each) for each in shown if each.contrast.testable)
        return [each for each in found if each is not None]

    def merged(self, dataset: str, label: str) -> list[str]:
        """Return the other labels that tables show in a row, since they have the same ranks."""
        return [other for (where, other), shown in self.twins.items() if (where, shown) == (dataset, label)]

    def row_name(self, dataset: str, label: str) -> str:
        """Return the name of a table's row: the label, then in brackets other labels with the same ranks."""
        others = self.merged(dataset, label)
        if not others:
            return label
        return f"{label} (= {' = '.join(self._described(other) for other in others)})"

    def line_name(self, label: str) -> str:
        """Return the name of a row in a legend of several datasets.

        Other labels are named only if the row has the same name on all datasets.
        """
        names = {self.row_name(row.dataset, label) for row in self.rows if row.label == label}
        return names.pop() if len(names) == 1 else label

    def _described(self, label: str) -> str:
        """Return ``LARES's parameter-matched control`` for a control, else the label."""
        record = self.controls.get(label)
        return label if record is None else f"{record.of}'s {record.control} control"
