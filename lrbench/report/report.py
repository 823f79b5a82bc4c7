"""What a report says, before any format: computed once from stored ranks, shown alike everywhere.

Numbers are unrounded; NaN stands for "not known" (a spread over one run, a p-value that cannot be had).
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
    DepthFinding,
    Family,
    GroupFinding,
    InterventionFinding,
    OracleFinding,
    RecoveryFinding,
    Reference,
    TuningFinding,
)
from lrbench.report.numbers import MetricStyle
from lrbench.report.provenance import Provenance
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
    """Whether it belongs to the set not separable from the best; none: not testable."""

    depth: int
    """Depth of the ranks it was made from."""

    deterministic: bool
    same_as: str = ""
    """The label whose row stands for this one too, since both have the same ranks; may be empty."""


@dataclass(frozen=True)
class StageCost:
    """One training stage, as means over runs."""

    name: str
    epochs: float
    steps: float
    seconds: float
    reused: bool = False
    """Whether a run took the stage's weights, and its time, from another trial."""


@dataclass(frozen=True)
class DepthCost:
    """What inference costs at one depth, as means over runs; NaN or missing where it was not measured."""

    depth: int
    flops_per_user: float
    latency: Mapping[int, float]
    """Users in a batch → seconds per 1,000 users."""


@dataclass(frozen=True)
class Cost:
    """What a label cost on a dataset, as means over runs; memory is the largest of them."""

    dataset: str
    label: str
    parameters: int
    """Trained weights; 0 for a model that counts or solves in one call."""

    steps: float
    """Optimiser steps."""

    epochs: float
    train_seconds: float
    flops_per_user: float
    """Of products of matrices; NaN for a model that takes none, as its other work is not counted."""

    peak_memory_bytes: int
    stages: tuple[StageCost, ...]
    depth: int = 0
    """Depth of reports."""

    by_depth: tuple[DepthCost, ...] = ()
    """By depth of inference; empty for trials of versions that did not measure it."""

    @property
    def latency(self) -> Mapping[int, float]:
        """Users in a batch → seconds per 1,000 users at the depth of reports; empty where not measured."""
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
    """The same on validation targets."""

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
    """The table in it, or in words where else in it; may be empty."""

    link: str


@dataclass(frozen=True)
class PublishedValue:
    """A published number and the label's own, ranked as the publication ranks."""

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
    """What the publication does otherwise."""

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
    """Everything that any format shows."""

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
    """The label that percentages are shown against, if any was asked for."""

    rows: tuple[QualityRow, ...]
    comparisons: tuple[Comparison, ...]
    """The declared families, by the primary metric: systems first, then reasoning."""

    descriptive: tuple[Comparison, ...]
    """Other metrics, and differences from ``baseline``: no part of a family."""

    costs: tuple[Cost, ...]
    depths: tuple[DepthPoint, ...]
    depth_findings: tuple[DepthFinding, ...]
    interventions: tuple[InterventionFinding, ...]
    """What rows lose with another latent; empty where the suite asks for no interventions."""

    recoveries: tuple[RecoveryFinding, ...]
    """What rows on shared accounts recover of the cost of sharing; empty under other protocols."""

    published: tuple[PublishedValue, ...]
    """Published numbers that labels can be compared with."""

    provenance: Provenance
    warnings: tuple[ReportWarning, ...]
    families: tuple[Family, ...] = ()
    across: tuple[AcrossDatasets, ...] = ()
    """Over three or more datasets."""

    margin: float = 0.02
    """Differences below this share of the other label's mean do not matter in practice."""

    interim: bool = False
    """Whether trials are missing, so that nothing is decided yet."""

    declarations: tuple[Declaration, ...] = ()
    against: tuple[str, ...] = ()
    """The labels that proposed ones were declared to be tested against; empty: all that are no control."""

    looks: tuple[Look, ...] = ()
    """Reports made before this one."""

    references: tuple[Reference, ...] = ()
    published_sources: tuple[PublishedSource, ...] = ()
    """The sources that ``published`` names."""

    groups: tuple[GroupFinding, ...] = ()
    tuning: tuple[TuningFinding, ...] = ()
    """What searches for settings found; empty where no row is tuned."""

    tuning_notes: tuple[str, ...] = ()
    """Sentences for the caption: which rows were tuned and how."""

    groups_lacking: Mapping[str, str] = field(default_factory=dict)
    """By dataset, why there are no groups of users: ``absent`` or ``different``, the prepared data."""

    answers: tuple[Answer, ...] = ()
    controls: Mapping[str, ControlRecord] = field(default_factory=dict)
    """By label, the rows that are controls of others."""

    matches: tuple[Match, ...] = ()
    """How well matched controls match."""

    caption: tuple[str, ...] = ()
    """Sentences."""

    style: MetricStyle = field(default_factory=MetricStyle)
    """How metrics are written in tables; machine-readable formats never round."""

    curves: tuple[Curve, ...] = ()
    """Validation metrics over epochs, of every run and stage."""

    oracles: tuple[OracleFinding, ...] = ()
    """The best depth per user after the fact, of rows with a noise-only control or several draws."""

    budgets: tuple[Budget, ...] = ()
    """What tuning with fewer trials would have found, of rows that were tuned."""

    rows_of_suite: int = 0
    """How many rows the suite has; more than ``labels`` where some are not shown."""

    @cached_property
    def twins(self) -> dict[tuple[str, str], str]:
        """By dataset and label, the label in whose row a table shows another one of the same ranks."""
        return {(row.dataset, row.label): row.same_as for row in self.rows if row.same_as in self.labels}

    def find_comparison(self, reference: Reference, family: str) -> Comparison | None:
        """Return the comparison of a family with a reference, if it is declared."""
        wanted = family, reference.dataset, reference.proposed, reference.baseline
        for found in self.comparisons:
            if (found.family, found.dataset, found.proposed, found.baseline) == wanted:
                return found
        return None

    def row_name(self, dataset: str, label: str) -> str:
        """Return the name of a row of a table, with the other labels whose ranks it shows."""
        others = [other for (where, other), shown in self.twins.items() if (where, shown) == (dataset, label)]
        if not others:
            return label
        return f"{label} (= {' = '.join(self._described(other) for other in others)})"

    def line_name(self, label: str) -> str:
        """Return the name of a row in a legend of several datasets: with the labels it stands for on all."""
        names = {self.row_name(row.dataset, label) for row in self.rows if row.label == label}
        return names.pop() if len(names) == 1 else label

    def _described(self, label: str) -> str:
        """``LARES's parameter-matched control`` for a control, else the label."""
        record = self.controls.get(label)
        return label if record is None else f"{record.of}'s {record.control} control"
