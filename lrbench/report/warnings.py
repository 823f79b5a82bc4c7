"""What a reader of a table must be told, as data: what is wrong, where, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ReportWarning", "WarningKind"]


class WarningKind(StrEnum):
    """The kinds of warnings; the value is what the reader can do, a colon standing before a command."""

    MISSING_TRIALS = "Run them:"
    FEWER_SEEDS = "Run the suite with all its seeds on this dataset."
    NOT_TESTABLE = "Give the suite at least 3 seeds, better 5."
    NO_VARIATION = "The two differ by the same for every user and run: read the difference as it is."
    SAME_TRIALS = "It is one model under two names: read the rows as one, or leave one of them out."
    ABOVE_ACHIEVABLE = "Something leaks the held-out items, or the ranks are wrong: do not use these numbers."
    EPOCH_CAP = "It may still have been improving: raise max_epochs in the suite's [training]."
    TIES = "Equal scores earn the mid-rank: usual for a model that counts, a collapse in a trained one."
    UNVERIFIED_SOURCE = "Compare the source with the official one, or fetch it from there:"
    WITHIN_SEED_SPREAD = "Do not read the order of the two as a finding; more seeds would tell."
    DIFFERENT_DEVICES = "Compare quality, not times; run all trials on one kind of device for timings."
    DIFFERENT_THREADS = (
        "Compare quality, not times; run all trials with the same number of workers for timings."
    )
    DIFFERENT_VERSIONS = "Before a final table, run all trials anew:"
    DIFFERENT_COMMITS = (
        "What is trained, or counted as a cost, may differ between them; before a final table, run all anew:"
    )


@dataclass(frozen=True)
class ReportWarning:
    """One thing to know."""

    kind: WarningKind
    cause: str
    """A sentence that says what and where."""

    command: str = ""
    """What to paste into a shell, for a kind that ends in a colon."""

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return f"{self.kind} {self.command}".rstrip()

    def __str__(self) -> str:
        return f"{self.cause} {self.remedy}"
