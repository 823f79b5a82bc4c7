"""Warnings to the reader of a table, as data: what is wrong, where, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lrbench.wording import counted, listed

__all__ = ["ReportWarning", "WarningGroup", "WarningKind", "grouped", "summarised"]

MOST_LINES = 6
"""Lines that a summary of warnings takes at most."""

MOST_NAMES = 3
"""Rows that a summary names; the others are counted."""


class WarningKind(StrEnum):
    """The kinds of warnings, the gravest first; the value is the advice, without the sign at its end."""

    ABOVE_ACHIEVABLE = "Something leaks the held-out items, or the ranks are wrong: do not use these numbers"
    SHARED_ROWS = "Compare these numbers only with published ones; compare models under shared-rows-disjoint"
    REPEATING_TARGETS = "Remove copies of rows from the source, or choose a protocol that drops repeats"
    UNDATED_TARGETS = "Which item comes last is chance: take a source with finer times"
    ALL_TIED = "Its metrics are those of a random order: do not compare with it"
    FAILED_TRIALS = "Remove the cause and run them again"
    MISSING_TRIALS = "Run them"
    FEWER_SEEDS = "Run the suite with all its seeds on this dataset"
    NOT_TESTABLE = "Give the suite at least 3 seeds, better 5"
    AWAITS_RUNS = "The suite has enough seeds: run what is missing"
    ONE_USER = "Seeds do not help: choose a dataset or a protocol with more test users"
    UNEQUAL_TUNING = "The search may explain the gain of the tuned row: tune both with one budget, or neither"
    NO_VARIATION = "The difference is the same for every user and run: it needs no test"
    SAME_TRIALS = "It is one model under two names: read the rows as one, or leave one of them out"
    COLLAPSED_RUN = "Look at the log: a bad run widens every interval of its row"
    SEEN_ITEMS = "Say which items are ranked, and show both rankings: the table “seen-items” has them"
    DEPTH_ZERO = "It does not show that reasoning steps help there: do not credit them with the quality"
    DEPENDENT_RUNS = "They share something that no record names, so the interval is too wide"
    TIES = "A trained model with many equal scores has probably collapsed: look at its log"
    BEYOND_BEAM = "Read only metrics with cut-offs up to the number of beams"
    EQUAL_TITLES = "Published tables count such hits: compare the second number with them"
    TIES_UNKNOWN = (
        "An earlier version did not store the number of tied items, so each target got the middle rank of "
        "its ties; to compare, run again"
    )
    UNEQUAL_DRAWS = "Their spread mixes runs and draws: evaluate all of them with the same number of draws"
    EPOCH_CAP = "Results may still rise: raise max_epochs in the suite's [training]"
    UNVERIFIED_SOURCE = "Compare the source with the official one, or fetch it from there"
    DIFFERENT_VERSIONS = "Before a final table, run all trials again"
    DIFFERENT_COMMITS = (
        "What is trained, or counted as a cost, may differ between them; before a final table, run all again"
    )
    WITHIN_SEED_SPREAD = "Do not read the order of the two as a finding; more seeds may tell"
    DIFFERENT_DEVICES = "Compare quality, not times; for timings run all trials on one kind of device"
    DIFFERENT_THREADS = (
        "Compare quality, not times; for timings run all trials with the same number of workers"
    )


@dataclass(frozen=True)
class ReportWarning:
    """One thing to know."""

    kind: WarningKind
    cause: str
    """A sentence that says what and where."""

    command: str = ""
    """What to paste into a shell, where that helps."""

    label: str = ""
    """The row that it is about, if it is about one."""

    dataset: str = ""
    """The dataset that it is about, if it is about one."""

    reason: str = ""
    """The command that says why, where one does."""

    @property
    def remedy(self) -> str:
        """What to do about it."""
        why = f"{self.reason} says why. " if self.reason else ""
        return f"{why}{self.kind}: {self.command}" if self.command else f"{why}{self.kind}."

    def __str__(self) -> str:
        return f"{self.cause} {self.remedy}"


@dataclass(frozen=True)
class WarningGroup:
    """All warnings of one kind: one sentence with its remedy, and the causes of the single warnings."""

    summary: str
    details: tuple[str, ...]
    """The causes; empty where there is only one warning, which is the summary."""


SUMMARIES = {
    WarningKind.ABOVE_ACHIEVABLE: "{rows} exceed the best achievable Recall@10{places}.",
    WarningKind.FAILED_TRIALS: "{rows} have trials that failed{places}.",
    WarningKind.MISSING_TRIALS: "{rows} lack trials{places}.",
    WarningKind.UNEQUAL_TUNING: "{rows} were not tuned and are compared with rows that were{places}.",
    WarningKind.TIES: "{rows} give many targets another item's score{places}.",
    WarningKind.BEYOND_BEAM: "{rows} rank by a beam search, which does not find all targets{places}.",
    WarningKind.EQUAL_TITLES: "Hits on other items with the target's title do not count for {rows}{places}.",
    WarningKind.COLLAPSED_RUN: "{rows} have runs that collapsed{places}.",
    WarningKind.SEEN_ITEMS: "Verdicts on {rows} change without items that users have seen{places}.",
    WarningKind.DEPTH_ZERO: "Validation would choose depth 0 for {rows}{places}.",
    WarningKind.DEPENDENT_RUNS: "Runs of {rows} depend on those that they are compared with{places}.",
    WarningKind.TIES_UNKNOWN: "{rows} give many targets another item's score{places}.",
    WarningKind.UNEQUAL_DRAWS: "Runs of {rows} were ranked with unequal numbers of draws{places}.",
    WarningKind.EPOCH_CAP: "{rows} ended a stage at its cap of epochs{places}.",
    WarningKind.WITHIN_SEED_SPREAD: "The best row leads the second by less than one seed SD{places}.",
    WarningKind.FEWER_SEEDS: "Seeds of the suite were never run{places}.",
}
"""One sentence for several warnings of a kind."""


def grouped(warnings: Sequence[ReportWarning]) -> list[WarningGroup]:
    """Put the warnings of one kind together, the gravest kind first."""
    groups = []
    for kind in WarningKind:
        alike = [warning for warning in warnings if warning.kind is kind]
        if len(alike) == 1:
            groups.append(WarningGroup(str(alike[0]), ()))
        elif alike:
            causes = tuple(warning.cause for warning in alike)
            groups.append(WarningGroup(f"{_summary(alike)} {alike[0].remedy}", causes))
    return groups


def summarised(warnings: Sequence[ReportWarning], most: int = MOST_LINES) -> list[str]:
    """Say all warnings in at most ``most`` sentences; the last one counts those left out."""
    lines = [group.summary for group in grouped(warnings)]
    if len(lines) <= most:
        return lines
    left = len(lines) - most + 1
    return [*lines[: most - 1], f"{counted(left, 'more kind')} of warnings: see them with --full."]


def _summary(alike: Sequence[ReportWarning]) -> str:
    template = SUMMARIES.get(alike[0].kind)
    if template is None:
        return f"{alike[0].cause} {len(alike) - 1} more like this."
    datasets = list(dict.fromkeys(warning.dataset for warning in alike if warning.dataset))
    labels = list(dict.fromkeys(warning.label for warning in alike if warning.label))
    more = [f"{len(labels) - MOST_NAMES} more"] if len(labels) > MOST_NAMES else []
    rows = listed([*labels[:MOST_NAMES], *more]) if labels else "Rows"
    places = f" on {listed(datasets)}" if len(datasets) <= MOST_NAMES else f" on {len(datasets)} datasets"
    return template.format(rows=rows, places=places if datasets else "")
