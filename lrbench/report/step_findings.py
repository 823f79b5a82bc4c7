"""What the reasoning steps do in one row: quality by depth, and what is lost with another latent state.

Numbers are unrounded. NaN means "not known", such as a p-value without a test.
"""

from dataclasses import dataclass
from enum import StrEnum

from lrbench.config.interventions import Intervention
from lrbench.stats.contrast import Contrast

__all__ = [
    "DepthContrast",
    "DepthFinding",
    "InterventionFinding",
    "InterventionLoss",
    "OracleFinding",
    "Reading",
]


class Reading(StrEnum):
    """What interventions show about a row's latent state, in words.

    They follow the research plan "CURE-Rec" (2026), but never take "no loss is shown" for "no loss".
    """

    USER_SPECIFIC = "user-specific: another user's latent costs, even that of a similar user"
    GENERIC = "a generic bias: the latent of a similar user is equivalent"
    USED = "used; it is not shown to be user-specific"
    UNMATCHED = "used; only the intervention “matched” can show whether it is user-specific"
    BYPASSED = "bypassed: every other latent is equivalent"
    NOT_SHOWN = "not shown to be used: no other latent is shown to cost anything"
    NOT_TESTABLE = "not testable with these runs"
    NOTHING_REPLACED = "not tested: no step takes over a latent, so nothing was replaced"

    @property
    def tested(self) -> bool:
        """Whether it says anything about the latent."""
        return self not in (Reading.NOT_TESTABLE, Reading.NOTHING_REPLACED)

    @property
    def used(self) -> bool:
        """Whether some other latent is shown to cost quality."""
        return self in (Reading.USER_SPECIFIC, Reading.GENERIC, Reading.USED, Reading.UNMATCHED)

    @property
    def short(self) -> str:
        """One or two words, for a column."""
        return {
            Reading.USER_SPECIFIC: "user-specific",
            Reading.GENERIC: "generic bias",
            Reading.USED: "used",
            Reading.UNMATCHED: "used",
            Reading.BYPASSED: "bypassed",
            Reading.NOT_SHOWN: "not shown",
            Reading.NOT_TESTABLE: "?",
            Reading.NOTHING_REPLACED: "not tested",
        }[self]


@dataclass(frozen=True)
class DepthContrast:
    """One depth of a label against another, run by run; descriptive."""

    depth: int
    reference: int
    contrast: Contrast


@dataclass(frozen=True)
class DepthFinding:
    """What depth contributes to a label's metric."""

    dataset: str
    label: str
    reported: int
    chosen: int
    """The shallowest depth within one standard error of the best on validation."""

    shape: str
    """How the metric changes with depth, in words; empty where there are too few seeds."""

    contrasts: tuple[DepthContrast, ...]

    def against(self, reference: int) -> Contrast | None:
        """Return the contrast of the reported depth with another one; `None` where one was not ranked."""
        for found in self.contrasts:
            if (found.depth, found.reference) == (self.reported, reference):
                return found.contrast
        return None

    def deeper(self) -> DepthContrast | None:
        """Return the contrast of the deepest depth with the reported one; `None` where none is deeper."""
        return next((found for found in self.contrasts if found.reference == self.reported), None)


@dataclass(frozen=True)
class OracleFinding:
    """What a row would gain from the best depth of each user, chosen in hindsight."""

    dataset: str
    label: str
    depths: tuple[int, ...]
    """Depths among which the best is chosen."""

    mean: float
    """The metric at the depth that reports use."""

    oracle: float
    """The metric at the best depth of each user."""

    noise_oracle: float | None
    """The oracle of the row's noise-only control over the same depths; `None` without such a control."""

    draws: int
    split_oracle: float | None
    """The oracle where one draw chooses the depth and the others score it; `None` with one draw."""


@dataclass(frozen=True)
class InterventionLoss:
    """What a row loses when its latent is replaced at inference."""

    kind: Intervention
    contrast: Contrast
    """The metric with its own latent minus the metric with the replaced one, run by run."""

    divergence: float
    """Mean over runs of KL(own ‖ replaced) between the distributions over items, in nats."""

    rank_change: float
    """Rank with the replaced latent minus rank with its own; median over users, runs and draws."""


@dataclass(frozen=True)
class InterventionFinding:
    """Whether a row uses its latent state, on one dataset."""

    dataset: str
    label: str
    mean: float
    """The metric with its own latent."""

    losses: tuple[InterventionLoss, ...]
    reading: Reading
