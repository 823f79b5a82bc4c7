"""Where the uncertainty of a difference comes from: users, training runs, and users × runs.

The crossed test adds these sources up. A report shows their shares and plans the number of runs from them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.stats.user_metrics import UserMetrics

__all__ = ["RunSource", "Shares", "Sources", "sources_of", "sources_of_sum"]


@dataclass(frozen=True)
class RunSource:
    """What the training runs of one model add to the variance of a difference of means."""

    seeds: int
    total: float
    """Variance of the model's seed means / number of seeds; it contains ``residual``."""

    residual: float
    """The part of users × runs: residual mean square / (seeds × users)."""


@dataclass(frozen=True)
class Shares:
    """Parts of the variance of a difference, which add up to 1; each may be negative by chance."""

    users: float
    """Users × models: how differently the two models suit users. Only more users make it smaller."""

    runs: float
    """Luck of the training runs. More runs make it smaller."""

    users_runs: float
    """Users × runs: how differently a run suits users. More users or more runs make it smaller."""


@dataclass(frozen=True)
class Sources:
    """The variances of a difference of means, before they are added up."""

    users: float
    """Variance over users of their mean differences / number of users; it contains users × runs once."""

    df_users: float
    """Degrees of freedom of ``users``."""

    runs: tuple[RunSource, ...]
    """One for each model that is not deterministic. Where runs are paired, one for their differences."""

    @property
    def residual(self) -> float:
        """The part of users × runs, over all models."""
        return sum(source.residual for source in self.runs)

    @property
    def estimate(self) -> float:
        """Unbiased variance: users × runs is in both other terms, so it is subtracted once."""
        return self.users + sum(source.total for source in self.runs) - self.residual

    @property
    def variance(self) -> float:
        """The unbiased variance, but at least that of users alone and that of runs alone."""
        return max(self.estimate, self.users, sum(source.total for source in self.runs))

    @property
    def df(self) -> float:
        """Degrees of freedom after Satterthwaite (1946)."""
        spread = self.users**2 / self.df_users
        spread += sum(source.total**2 / (source.seeds - 1) for source in self.runs)
        return self.variance**2 / spread

    @property
    def shares(self) -> Shares:
        """Each part over the unbiased variance; NaN where that is not positive."""
        whole = self.estimate if self.estimate > 0 else math.nan
        runs = sum(source.total for source in self.runs) - self.residual
        return Shares((self.users - self.residual) / whole, runs / whole, self.residual / whole)

    @property
    def dependent(self) -> bool:
        """Whether the variance over users is more than a fifth below users × runs, which it contains.

        Independent runs with hundreds of users hardly ever give this by chance. Runs that share weights give
        it, since their common part cancels in the differences of users.
        """
        return self.users < 0.8 * self.residual

    def with_seeds(self, seeds: int) -> "Sources":
        """Estimate the sources for another number of runs of every model."""
        runs = tuple(
            RunSource(seeds, source.total * source.seeds / seeds, source.residual * source.seeds / seeds)
            for source in self.runs
        )
        users = max(self.users - self.residual, 0.0) + sum(source.residual for source in runs)
        return Sources(users, self.df_users, runs)


def sources_of(first: UserMetrics, second: UserMetrics) -> Sources:
    """Estimate the sources of the difference of two models with the same users, two or more.

    A model that is not deterministic must have two or more runs.
    """
    return sources_of_sum((first, second.scaled(-1)))


def sources_of_sum(models: Sequence[UserMetrics]) -> Sources:
    """Estimate the sources of the sum of the models' means; the same conditions hold."""
    of_users = np.sum([model.user_means for model in models], axis=0)  # (users,)
    users = float(of_users.var(ddof=1)) / len(of_users)
    random = [model for model in models if not model.deterministic]
    return Sources(users, len(of_users) - 1.0, tuple(_runs(model) for model in random))


def _runs(model: UserMetrics) -> RunSource:
    fitted = model.seed_means[:, None] + model.user_means - model.mean  # (seeds, users)
    freedom = (model.seeds - 1) * (model.users - 1)
    residual = float(np.square(model.values - fitted).sum()) / freedom / model.values.size
    return RunSource(model.seeds, model.seed_sd**2 / model.seeds, residual)
