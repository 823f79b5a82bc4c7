"""What a report says, before any format: computed once from stored ranks, shown alike everywhere.

Numbers are unrounded; NaN stands for "not known" (a spread over one run, a p-value that cannot be had).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lrbench.config.protocol import Protocol
from lrbench.report.curves import Curve
from lrbench.report.provenance import Provenance
from lrbench.report.warnings import ReportWarning
from lrbench.stats.contrast import Contrast
from lrbench.stats.effects import Relative, UserCounts
from lrbench.stats.equivalence import Equivalence
from lrbench.store.suites import ControlRecord, Match
from lrbench.store.trials import DatasetSummary

__all__ = [
    "ALPHA",
    "Comparison",
    "Cost",
    "CrossChecks",
    "DatasetNote",
    "DepthPoint",
    "PublishedValue",
    "Report",
    "Row",
    "StageCost",
    "Trend",
    "Verdict",
]

ALPHA = 0.05
"""Level of every test and of every interval (95 %)."""

REPRODUCED = 0.03
"""Largest relative difference from a published number that counts as reproduced."""


class Verdict(StrEnum):
    """What a comparison shows."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTABLE = "not testable"


@dataclass(frozen=True)
class DatasetNote:
    """A dataset of the report."""

    summary: DatasetSummary
    n_users: int
    """Users with a held-out item."""


@dataclass(frozen=True)
class Row:
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


@dataclass(frozen=True)
class CrossChecks:
    """Other tests of the same difference: each answers another question, none decides."""

    p_users: float
    """Paired t test over users: conditional on these checkpoints."""

    p_users_randomised: float
    """Sign-flip randomisation over users: conditional on these checkpoints."""

    p_seeds: float
    """Welch's t test on seed means: these users held fixed."""

    p_seeds_exact: float
    """Permutation of runs: these users held fixed; NaN where it could not reach the level in the family."""

    bootstrap_low: float
    """Two-level bootstrap of the difference, 95 %."""

    bootstrap_high: float


@dataclass(frozen=True)
class Comparison:
    """One label against another on one dataset by one metric."""

    dataset: str
    metric: str
    proposed: str
    baseline: str
    contrast: Contrast
    p_adjusted: float
    """After Holm within the confirmatory family, after Benjamini and Hochberg among descriptive ones."""

    confirmatory: bool
    family_size: int
    """How many testable comparisons were adjusted together."""

    relative: Relative
    effect_size: float
    """Standardised paired difference over users."""

    superiority: float
    """P(proposed > baseline) over pairs of runs."""

    users: UserCounts
    equivalence: Equivalence
    minimum_detectable: float
    verdict: Verdict
    checks: CrossChecks | None
    """For the confirmatory family only, where the labels stand for different trials."""


@dataclass(frozen=True)
class StageCost:
    """One training stage, as means over runs."""

    name: str
    epochs: float
    steps: float
    seconds: float


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
    """Whether validation would choose this depth."""


@dataclass(frozen=True)
class Trend:
    """Gain in the primary metric per doubling of the depth; descriptive."""

    dataset: str
    label: str
    contrast: Contrast


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
    differs: str
    """What the publication does otherwise."""

    @property
    def relative(self) -> float:
        """The label's number over the published one, minus 1."""
        return self.mean / self.published - 1

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

    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    """The confirmatory family: proposed × other labels × datasets by the primary metric."""

    descriptive: tuple[Comparison, ...]
    """Other metrics, and differences from ``baseline``: no part of the family."""

    costs: tuple[Cost, ...]
    depths: tuple[DepthPoint, ...]
    trends: tuple[Trend, ...]
    published: tuple[PublishedValue, ...]
    """Published numbers that labels can be compared with."""

    provenance: Provenance
    warnings: tuple[ReportWarning, ...]
    controls: Mapping[str, ControlRecord] = field(default_factory=dict)
    """By label, the rows that are controls of others."""

    matches: tuple[Match, ...] = ()
    """How well matched controls match."""

    caption: tuple[str, ...] = ()
    """Sentences."""

    digits: int = 4
    """Decimals of metrics in tables; machine-readable formats never round."""

    curves: tuple[Curve, ...] = ()
    """Validation metrics over epochs, of every run and stage."""

    rows_of_suite: int = 0
    """How many rows the suite has; more than ``labels`` where some are not shown."""
