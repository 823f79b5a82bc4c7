"""What comparisons found: differences with their tests, and what stands behind them.

Numbers are unrounded; NaN stands for "not known" (a spread over one run, a p-value that cannot be had).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from lrbench.config.interventions import Intervention
from lrbench.stats.contrast import Contrast
from lrbench.stats.effects import Relative, UserCounts
from lrbench.stats.equivalence import Equivalence
from lrbench.stats.recovery import Recovery
from lrbench.stats.runs import LeaveOneOut
from lrbench.stats.variance import Shares

__all__ = [
    "ALPHA",
    "WORTH_FINDING",
    "AcrossDatasets",
    "Answer",
    "Comparison",
    "CrossChecks",
    "DepthContrast",
    "DepthFinding",
    "Family",
    "GroupDifference",
    "GroupFinding",
    "InterventionFinding",
    "InterventionLoss",
    "OracleFinding",
    "RecoveryFinding",
    "Reference",
    "TuningFinding",
    "Variance",
    "Verdict",
]

ALPHA = 0.05
"""Level of every test and of every interval (95 %)."""

WORTH_FINDING = 0.05
"""Relative difference that a plan of seeds is made for: published gains are of this size."""


class Verdict(StrEnum):
    """What a comparison shows."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    OUT_OF_REACH = "cannot show equivalence with these runs"
    """Neither label is shown to be better, and no difference could be shown to be within the margin."""

    NOT_TESTABLE = "not testable"

    @property
    def gain(self) -> str:
        """What becomes of a label's gain against a control with this verdict."""
        return {
            Verdict.BETTER: "stays",
            Verdict.WORSE: "reverses",
            Verdict.EQUIVALENT: "vanishes",
            Verdict.NOT_TESTABLE: "cannot be tested",
        }.get(self, "is not shown")


@dataclass(frozen=True)
class CrossChecks:
    """Other tests of the same difference: each answers another question, none decides.

    Where runs are paired, these too are tests of the differences run by run.
    """

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
    proposed_mean: float
    baseline_mean: float
    """Means of the metric over the runs that are compared."""

    contrast: Contrast
    p_adjusted: float
    """After Holm within the family, after Benjamini and Hochberg among descriptive comparisons."""

    family: str
    """Name of its declared family; empty for a descriptive comparison."""

    family_size: int
    """How many testable hypotheses were adjusted together."""

    relative: Relative
    effect_size: float
    """Standardised paired difference over users."""

    superiority: float
    """P(proposed > baseline) over pairs of runs."""

    users: UserCounts
    equivalence: Equivalence
    minimum_detectable: float
    """Smallest difference found with 80 % probability at the level of the family."""

    verdict: Verdict
    variance: "Variance | None"
    """For declared comparisons that are testable."""

    checks: CrossChecks | None
    """For declared comparisons of labels with different ranks."""

    same_ranks: bool
    """Whether both labels have the same ranks: they are one model under two names."""

    @property
    def confirmatory(self) -> bool:
        """Whether it belongs to a declared family."""
        return bool(self.family)


@dataclass(frozen=True)
class Variance:
    """Where the uncertainty of a difference comes from."""

    standard_deviation: float
    """Of the difference of means, as the sum of its sources."""

    shares: Shares
    dependent: bool
    """Whether runs that were tested as independent ones look as if they were not."""

    seeds_to_find: int | None
    """Seeds of every model that would usually find a difference of 5 %; none: more users are needed."""

    without_one_run: LeaveOneOut


@dataclass(frozen=True)
class Family:
    """Hypotheses that were declared, and are corrected, together."""

    name: str
    proposed: tuple[str, ...]
    against: tuple[str, ...]
    metric: str
    comparisons: int
    size: int
    """Testable hypotheses; a pair of rank sets that appears under several labels counts once."""


@dataclass(frozen=True)
class AcrossDatasets:
    """One comparison over all datasets, as a relative difference (0.05 = 5 %)."""

    proposed: str
    baseline: str
    family: str
    mean: float
    low: float
    high: float
    p: float
    tau: float
    """Standard deviation of the true effects between datasets, on the logarithm of the ratio."""

    heterogeneity_p: float
    datasets: int


@dataclass(frozen=True)
class Reference:
    """The baseline that answers name beside a proposed label: the strongest one of another model."""

    dataset: str
    proposed: str
    baseline: str


@dataclass(frozen=True)
class GroupDifference:
    """A difference among the users of one group."""

    group: str
    """The group's name: a category, or the range of values such as ``4–5``."""

    low: int | None
    high: int | None
    """Smallest and largest value of the trait in the group; ``None`` for a category."""

    n_users: int
    contrast: Contrast
    p_adjusted: float
    """After Benjamini and Hochberg over the groups of a dataset."""


@dataclass(frozen=True)
class GroupFinding:
    """A difference by groups of users; exploratory."""

    dataset: str
    proposed: str
    baseline: str
    trait: str
    interaction_p: float
    """p-value of "the difference is the same in all groups"; NaN where not testable."""

    groups: tuple[GroupDifference, ...]


@dataclass(frozen=True)
class Answer:
    """A question that readers come with, and what the suite says about one proposed label."""

    question: str
    """Short name: better, reasoning, depth, users, cost or certainty."""

    title: str
    proposed: str | None
    """`None` where the suite proposes nothing, or none of it has results."""

    text: str
    verdict: str
    """In a word or two, for programs; "mixed" where datasets differ."""


@dataclass(frozen=True)
class DepthContrast:
    """One depth of a label against another, run by run; descriptive."""

    depth: int
    reference: int
    contrast: Contrast


@dataclass(frozen=True)
class DepthFinding:
    """What depth brings to a label."""

    dataset: str
    label: str
    reported: int
    chosen: int
    """The shallowest depth within one standard error of the best on validation."""

    shape: str
    """In words; empty where there are too few seeds."""

    contrasts: tuple[DepthContrast, ...]

    def against(self, reference: int) -> Contrast | None:
        """Return the reported depth against another, where both were ranked."""
        for found in self.contrasts:
            if (found.depth, found.reference) == (self.reported, reference):
                return found.contrast
        return None

    def deeper(self) -> DepthContrast | None:
        """Return the deepest depth against the reported one, where there is a deeper one."""
        return next((found for found in self.contrasts if found.reference == self.reported), None)


@dataclass(frozen=True)
class OracleFinding:
    """What a row would gain from the best depth of each user, chosen after the fact."""

    dataset: str
    label: str
    depths: tuple[int, ...]
    mean: float
    """At the depth of reports."""

    oracle: float
    noise_oracle: float | None
    """The oracle of the row's noise-only control over the same depths; `None` where there is none."""

    draws: int
    split_oracle: float | None
    """One draw chooses, the others score; `None` with one draw."""


@dataclass(frozen=True)
class TuningFinding:
    """What a search for a row's settings found on a dataset; its curve is the row's budget in the report."""

    dataset: str
    label: str
    search: str
    """Its id, the name of its file below ``results/searches``."""

    metric: str
    sampler: str
    pruning: str
    seed: int
    users: int
    """Users that it trained and validated on."""

    space: str
    """In words."""

    trials: int
    pruned: int
    failed: int
    best: float
    """The metric of the chosen settings on validation."""

    settings: Mapping[str, JsonValue]
    seconds: float


@dataclass(frozen=True)
class RecoveryFinding:
    """One row against one plain model."""

    dataset: str
    label: str
    merged: str
    """Label of the plain model on the same accounts."""

    unmerged: str
    """Label of the plain model on users by themselves."""

    size: str
    """Members of an account, as the suite says."""

    metric: str
    mean: float
    merged_mean: float
    unmerged_mean: float
    recovery: Recovery


@dataclass(frozen=True)
class InterventionLoss:
    """What a row loses when its latent is replaced at inference."""

    kind: Intervention
    contrast: Contrast
    """The metric with its own latent less that with the other one, run by run."""

    divergence: float
    """Mean over runs of the KL of the scores, in nats."""

    rank_change: float
    """Median over users, runs and draws: rank with the other latent less the own one."""


@dataclass(frozen=True)
class InterventionFinding:
    """Whether a row reads its latent, on one dataset."""

    dataset: str
    label: str
    mean: float
    """The metric with its own latent."""

    losses: tuple[InterventionLoss, ...]
    reading: str
    """In words."""
