"""What comparisons found: differences with their tests and the numbers that explain them.

Numbers are unrounded. NaN means "not known", such as a spread over one run or a p-value without a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

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
    "Family",
    "GroupDifference",
    "GroupFinding",
    "MeanRelative",
    "RecoveryFinding",
    "Reference",
    "TuningFinding",
    "Variance",
    "Verdict",
]

ALPHA = 0.05
"""Level of every test and of every interval (95 %)."""

WORTH_FINDING = 0.05
"""Relative difference for which the number of seeds is planned: published gains are of this size."""


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
        """Verb for a label's gain over a control, by the verdict of their comparison."""
        return {
            Verdict.BETTER: "stays",
            Verdict.WORSE: "reverses",
            Verdict.EQUIVALENT: "vanishes",
            Verdict.NOT_TESTABLE: "cannot be tested",
        }.get(self, "is not shown")


@dataclass(frozen=True)
class CrossChecks:
    """Other tests of the same difference. Each answers another question, and none decides.

    Where runs are paired, these tests too use the differences run by run.
    """

    p_users: float
    """Paired t test over users: conditional on these checkpoints."""

    p_users_randomised: float
    """Sign-flip randomisation over users: conditional on these checkpoints."""

    p_seeds: float
    """Welch's t test on seed means: these users held fixed."""

    p_seeds_exact: float
    """Permutation of runs: these users held fixed. NaN where no p-value could reach the family's level."""

    bootstrap_low: float
    """Lower end of the 95 % interval of the difference by the two-level bootstrap."""

    bootstrap_high: float
    """Upper end."""


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
    """p-value after Holm within the family, or after Benjamini and Hochberg for descriptive comparisons."""

    family: str
    """Name of its declared family; empty for a descriptive comparison."""

    family_size: int
    """How many hypotheses were adjusted together: those that are testable and those that wait for runs."""

    awaited: int
    """How many of them wait for runs, and count as p = 1 for the others; 0 for a descriptive comparison."""

    relative: Relative
    effect_size: float
    """Standardised paired difference over users."""

    superiority: float
    """P(proposed > baseline) over pairs of runs; ties count half."""

    users: UserCounts
    equivalence: Equivalence
    minimum_detectable: float
    """Smallest difference found with 80 % probability at the level of the family."""

    verdict: Verdict
    variance: "Variance | None"
    """`None` for descriptive comparisons and for those that are not testable."""

    checks: CrossChecks | None
    """`None` for descriptive comparisons and for labels with the same ranks."""

    same_ranks: bool
    """Whether both labels have the same ranks: they are one model under two names."""

    @property
    def labels(self) -> tuple[str, str]:
        """Both labels."""
        return self.proposed, self.baseline

    @property
    def confirmatory(self) -> bool:
        """Whether it belongs to a declared family."""
        return bool(self.family)


@dataclass(frozen=True)
class Variance:
    """Where the uncertainty of a difference comes from."""

    standard_deviation: float
    """Standard deviation of the difference of means: the root of the sum of the variances of its sources."""

    shares: Shares
    dependent: bool
    """Whether runs were tested as independent although their differences vary too little for that."""

    seeds_to_find: int | None
    """Seeds of every model that would usually find a difference of 5 %; `None`: only more users would."""

    without_one_run: LeaveOneOut


@dataclass(frozen=True)
class Family:
    """Hypotheses that were declared together and are corrected together."""

    name: str
    proposed: tuple[str, ...]
    against: tuple[str, ...]
    metric: str
    datasets: int
    comparisons: int
    """Number of its comparisons on these datasets, testable or not, begun or not."""

    size: int
    """Hypotheses that are testable or awaited; a pair of rank sets under several labels counts once."""

    awaited: int
    """Comparisons that wait for runs, and count as p = 1 for the others."""

    testable: bool
    """Whether any of its comparisons has a p-value."""


@dataclass(frozen=True)
class MeanRelative:
    """A mean relative difference over datasets (0.05 = 5 %) with its 95 % interval."""

    mean: float
    low: float
    high: float
    p: float
    tau: float
    """Standard deviation of true effects between datasets, for the logarithm of the ratio of means.

    0 where datasets are fixed.
    """


@dataclass(frozen=True)
class AcrossDatasets:
    """One comparison over all datasets."""

    proposed: str
    baseline: str
    family: str
    datasets: int
    """Number of datasets."""

    these: MeanRelative
    """On these datasets, each with the same weight: only users and training runs are random."""

    p_adjusted: float
    """p of ``these`` after Holm over the pairs of labels of the family."""

    others: MeanRelative | None
    """On datasets of which these are a sample; `None` with fewer than three."""

    equal_effects_p: float
    """p-value of "all true effects are equal" (Cochran's Q)."""

    @property
    def verdict(self) -> Verdict:
        """What the mean on these datasets shows."""
        if self.p_adjusted > ALPHA:
            return Verdict.INCONCLUSIVE
        return Verdict.BETTER if self.these.mean > 0 else Verdict.WORSE


@dataclass(frozen=True)
class Reference:
    """The label with which answers compare a proposed label: usually the strongest one of another model."""

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
    """Smallest and largest value of the trait in the group; `None` for a category."""

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
    """`None` where the suite proposes no label, or no proposed label has results."""

    text: str
    verdict: str
    """The answer in a few words, for programs; "mixed" where datasets differ."""


@dataclass(frozen=True)
class TuningFinding:
    """What a search for a row's settings found on a dataset; its curve is in ``Report.budgets``."""

    dataset: str
    label: str
    search: str
    """Id of the search, which names its file below ``results/searches``."""

    metric: str
    sampler: str
    pruning: str
    seed: int
    users: int
    """Number of users that it trained and validated on."""

    space: str
    """The search space, in words."""

    trials: int
    pruned: int
    failed: int
    """Numbers of trials in all, of pruned ones and of failed ones."""

    own: float | None
    """The metric of the row's own settings on validation targets; `None`: they failed, or were not tried."""

    best: float
    """The metric of the trial whose settings are chosen, on validation targets."""

    finalists: int
    """Number of settings that were trained again with other seeds; 0: none, and the best trial was chosen."""

    place: int
    """The place of the chosen settings among the finalists, by the trials of the search; 1: the best."""

    confirmed: float | None
    """The metric of the chosen settings as a finalist, on validation targets; `None`: without finalists."""

    runs: tuple[float, ...]
    """The same of each run with the chosen settings and another seed; NaN where no epoch was validated."""

    settings: Mapping[str, JsonValue]
    at_end: tuple[str, ...]
    """Options whose chosen number is at an end of those that were searched, or beyond it."""

    seconds: float


@dataclass(frozen=True)
class RecoveryFinding:
    """How much of the cost of sharing one row wins back, measured against one plain model."""

    dataset: str
    label: str
    merged: str
    """Label of the plain model on the same accounts."""

    unmerged: str
    """Label of the plain model on users by themselves."""

    size: str
    """How many members an account has, as the suite states it, such as ``fixed-2``."""

    metric: str
    mean: float
    merged_mean: float
    unmerged_mean: float
    recovery: Recovery
