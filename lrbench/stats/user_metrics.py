"""A model's metric values on one dataset, the input of every test: training runs × users.

Rows of two models that are compared may differ in number, as seeds need not match. Columns may not: column
``u`` is the same user with the same held-out items in both.

A user may have several targets, as in a split in time. All targets count alike: with s_u the sum over the n_u
targets of user u, the mean of a run is m = Σ s_u / Σ n_u. It is a ratio of two sums over users, so its
variance is that of the linearised values (Cochran 1977, Sampling Techniques, chapter 6)

    y_u = (U / T) · (s_u - m · n_u) + m,   with U users and T targets in all.

Their mean over users is m. With one target each, y_u is the user's metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lrbench.arrays import Floats, Int64s

__all__ = ["MIN_SEEDS", "UserMetrics"]

Users = NDArray[np.bool_] | NDArray[np.integer] | slice

MIN_SEEDS = 3
"""Training runs below which nothing is said about training variance."""


@dataclass(frozen=True)
class UserMetrics:
    """Metric values of one model; where it infers with noise, a value is the mean over its draws.

    Args:
        values: (seeds, users), finite; linearised where users have several targets, see
            :meth:`from_targets`.
        deterministic: the model is the same for every seed and was trained once, so there is one row and
            no seed variance by construction.
        targets: (users,) number of targets of each user; ``None``: one each.

    Raises:
        ValueError: the shape is not as said, or a value is not finite.
    """

    values: Floats
    deterministic: bool = False
    targets: Int64s | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or 0 in self.values.shape:
            raise ValueError(f"expected a matrix of seeds × users, got shape {self.values.shape}")
        if self.deterministic and self.seeds != 1:
            raise ValueError(f"a deterministic model has one row, not {self.seeds}")
        if not np.isfinite(self.values).all():
            raise ValueError("metric values must be finite")
        if self.targets is not None and self.targets.shape != (self.users,):
            raise ValueError(f"expected the targets of {self.users} users, got {self.targets.shape}")

    @classmethod
    def from_targets(cls, sums: Floats, targets: Int64s, deterministic: bool = False) -> "UserMetrics":
        """Return the linearised values of users who may have several targets.

        Args:
            sums: of the metric over each user's targets, (seeds, users).
            targets: how many these are, (users,).
            deterministic: as in the class.
        """
        if (targets == 1).all():
            return cls(sums, deterministic)
        means = sums.sum(axis=1, keepdims=True) / targets.sum()  # (seeds, 1)
        values = (sums - means * targets) * (len(targets) / targets.sum()) + means
        return cls(values, deterministic, targets)

    @property
    def seeds(self) -> int:
        """Number of training runs."""
        return len(self.values)

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.values.T)

    @cached_property
    def seed_means(self) -> Floats:
        """Mean over users of each run, (seeds,)."""
        return np.asarray(self.values.mean(axis=1))

    @cached_property
    def user_means(self) -> Floats:
        """Mean over runs of each user, (users,)."""
        return np.asarray(self.values.mean(axis=0))

    @property
    def user_sums(self) -> Floats:
        """Mean over runs of each user's sum over targets, × U / T, (users,). Its mean is the mean as well."""
        return np.asarray(self._sums().mean(axis=0) * self._users_per_target)

    @property
    def _users_per_target(self) -> float:
        return 1.0 if self.targets is None else self.users / float(self.targets.sum())

    def _sums(self) -> Floats:
        """Return the sums of which the values were made, (seeds, users)."""
        if self.targets is None:
            return self.values
        means = self.seed_means[:, None]
        return np.asarray((self.values - means) / self._users_per_target + means * self.targets)

    @cached_property
    def mean(self) -> float:
        """Mean over runs and users."""
        return float(self.seed_means.mean())

    @property
    def seed_sd(self) -> float:
        """Sample standard deviation of the seed means: 0 for a deterministic model, NaN for one run."""
        if self.deterministic:
            return 0.0
        return float(self.seed_means.std(ddof=1)) if self.seeds > 1 else float("nan")

    @property
    def few_seeds(self) -> bool:
        """Whether there are too few runs to say anything about training variance."""
        return not self.deterministic and self.seeds < MIN_SEEDS

    def minus(self, other: "UserMetrics") -> "UserMetrics":
        """Return the differences, run by run and user by user.

        Raises:
            ValueError: the shapes differ.
        """
        if self.values.shape != other.values.shape:
            raise ValueError(
                f"expected the same runs and users, got {self.values.shape} and {other.values.shape}"
            )
        deterministic = self.deterministic and other.deterministic
        return UserMetrics(self.values - other.values, deterministic, self.targets)

    @classmethod
    def zero(cls, users: int) -> "UserMetrics":
        """Return a deterministic model whose metric is zero for every user."""
        return cls(np.zeros((1, users)), deterministic=True)

    def only(self, runs: Sequence[int] | slice = slice(None), users: Users = slice(None)) -> "UserMetrics":
        """Return the given runs and users; a deterministic model keeps its one run."""
        rows = slice(None) if self.deterministic else runs
        if self.targets is None:
            return UserMetrics(self.values[rows][:, users], self.deterministic)
        sums, targets = self._sums()[rows][:, users], self.targets[users]
        return UserMetrics.from_targets(sums, targets, self.deterministic)

    def scaled(self, factor: float) -> "UserMetrics":
        """Return the same values times ``factor``."""
        return UserMetrics(self.values * factor, self.deterministic, self.targets)
