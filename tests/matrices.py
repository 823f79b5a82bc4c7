"""Random seed × user matrices for the tests of this folder."""

import numpy as np
from hypothesis import strategies as st

from lrbench.stats.user_metrics import UserMetrics


def model(generator: np.random.Generator, seeds: int = 5, users: int = 40, shift: float = 0.0) -> UserMetrics:
    runs = generator.normal(0, 0.1, (seeds, 1))
    return UserMetrics(
        1 + shift + runs + generator.normal(0, 1, users) + generator.normal(0, 1, (seeds, users))
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[UserMetrics, UserMetrics]:
    """Two models on the same users, with numbers of seeds of their own."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    users = draw(st.integers(3, 30))
    first, second = (model(generator, draw(st.integers(3, 6)), users) for _ in range(2))
    return first, second


def shared_luck(generator: np.random.Generator, gap: float = 0.0) -> tuple[UserMetrics, UserMetrics]:
    """Two stages of one run: nearly all luck, of runs and of users in runs, is in both."""
    taste = generator.normal(1, 1, 300)
    luck = generator.normal(0, 0.1, (3, 1)) + generator.normal(0, 1, (3, 300))
    return tuple(UserMetrics(taste + luck + generator.normal(g, 0.1, (3, 300))) for g in (gap, 0.0))  # type: ignore[return-value]
