"""A model's metric values on one dataset, the input of every test: training runs × users.

Rows of two models that are compared may differ in number, as seeds need not match. Columns may not: column
``u`` is the same user with the same held-out item in both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lrbench.arrays import Floats

__all__ = ["MIN_SEEDS", "UserMetrics"]

Users = NDArray[np.bool_] | NDArray[np.integer] | slice

MIN_SEEDS = 3
"""Training runs below which nothing is said about training variance."""


@dataclass(frozen=True)
class UserMetrics:
    """Metric values of one model; where it infers with noise, a value is the mean over its draws.

    Args:
        values: (seeds, users), finite.
        deterministic: the model is the same for every seed and was trained once, so there is one row and
            no seed variance by construction.

    Raises:
        ValueError: the shape is not as said, or a value is not finite.
    """

    values: Floats
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or 0 in self.values.shape:
            raise ValueError(f"expected a matrix of seeds × users, got shape {self.values.shape}")
        if self.deterministic and self.seeds != 1:
            raise ValueError(f"a deterministic model has one row, not {self.seeds}")
        if not np.isfinite(self.values).all():
            raise ValueError("metric values must be finite")

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
        return UserMetrics(self.values - other.values, self.deterministic and other.deterministic)

    @classmethod
    def zero(cls, users: int) -> "UserMetrics":
        """Return a deterministic model whose metric is zero for every user."""
        return cls(np.zeros((1, users)), deterministic=True)

    def only(self, runs: Sequence[int] | slice = slice(None), users: Users = slice(None)) -> "UserMetrics":
        """Return the given runs and users; a deterministic model keeps its one run."""
        rows = slice(None) if self.deterministic else runs
        return UserMetrics(self.values[rows][:, users], self.deterministic)

    def scaled(self, factor: float) -> "UserMetrics":
        """Return the same values times ``factor``."""
        return UserMetrics(self.values * factor, self.deterministic)
