"""Where the uncertainty of a difference comes from: users, training runs, and users × runs.

The crossed test adds these sources up; a report shows their shares and plans the number of runs by them.
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
    """Variance of the model's mean over its runs; it contains ``residual``."""

    residual: float
    """The share of users × runs: residual mean square / (seeds × users)."""


@dataclass(frozen=True)
class Shares:
    """Parts of the variance of a difference; they add up to 1 and each may be negative by chance."""

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
    """Variance over users of their differences / number of users; it contains users × runs once."""

    n_users: int
    runs: tuple[RunSource, ...]
    """One for each model whose runs differ; one for the differences where runs are paired."""

    @property
    def residual(self) -> float:
        """Users × runs."""
        return sum(source.residual for source in self.runs)

    @property
    def estimate(self) -> float:
        """Unbiased variance: users × runs is in both other terms, so it is taken off once."""
        return self.users + sum(source.total for source in self.runs) - self.residual

    @property
    def variance(self) -> float:
        """The same, not below what users alone or runs alone give."""
        return max(self.estimate, self.users, sum(source.total for source in self.runs))

    @property
    def df(self) -> float:
        """Degrees of freedom after Satterthwaite (1946)."""
        spread = self.users**2 / (self.n_users - 1)
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
        """Whether users × runs is larger than the variance over users that contains it.

        Independent runs give this only by chance, and a fifth too large hardly ever with hundreds of users.
        Runs that share weights give it, since their common part cancels in the differences of users.
        """
        return self.users < 0.8 * self.residual

    def with_seeds(self, seeds: int) -> "Sources":
        """Project the sources to another number of runs of every model."""
        runs = tuple(
            RunSource(seeds, source.total * source.seeds / seeds, source.residual * source.seeds / seeds)
            for source in self.runs
        )
        users = max(self.users - self.residual, 0.0) + sum(source.residual for source in runs)
        return Sources(users, self.n_users, runs)


def sources_of(first: UserMetrics, second: UserMetrics) -> Sources:
    """Estimate the sources from two models with the same two or more users.

    A deterministic model has no runs to differ; another must have two or more.
    """
    return sources_of_sum((first, second.scaled(-1)))


def sources_of_sum(models: Sequence[UserMetrics]) -> Sources:
    """Estimate the sources of a sum of means, of models with the same two or more users."""
    of_users = np.sum([model.user_means for model in models], axis=0)  # (users,)
    users = float(of_users.var(ddof=1)) / len(of_users)
    random = [model for model in models if not model.deterministic]
    return Sources(users, len(of_users), tuple(_runs(model) for model in random))


def _runs(model: UserMetrics) -> RunSource:
    fitted = model.seed_means[:, None] + model.user_means - model.mean  # (seeds, users)
    freedom = (model.seeds - 1) * (model.users - 1)
    residual = float(np.square(model.values - fitted).sum()) / freedom / model.values.size
    return RunSource(model.seeds, model.seed_sd**2 / model.seeds, residual)
