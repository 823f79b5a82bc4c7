"""Simulated models whose true difference is known, to count what each test calls significant.

A target's rank is floor(exp(5.35 - b - c - g - e)):

    b ~ N(0, 1.6)   the taste of its user
    c ~ N(0, 0.6)   how a model suits the user
    g               the luck of the training run
    e ~ N(0, 0.9)   noise of the run

NDCG@10 is then near 0.03 and zero for nine users in ten, as on Amazon-2014 Beauty. There the means of runs
spread by 2 to 5 % of the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.arrays import Floats
from lrbench.metrics import ndcg
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["NOISES", "Noise", "simulate_models", "simulate_shared_stage"]

TASTE, MATCH, NOISE = 1.6, 0.6, 0.9
HALVED = 0.65
"""Loss in the logarithm of ranks that about halves NDCG@10."""


@dataclass(frozen=True)
class Noise:
    """How the runs of a model differ."""

    name: str
    luck: float = 0.0
    """Standard deviation of g; NDCG@10 of a run varies by about 1.1 times this."""

    by_popularity: bool = False
    """Luck and noise differ between quarters of the users, as between popular and rare items."""

    alike: bool = False
    """Both models suit the same users and are less noisy, as variants of one architecture."""

    collapse: float = 0.0
    """Probability that a run loses half of its quality."""


NOISES = (
    Noise("no training noise"),
    Noise("runs ± 2 %", luck=0.018),
    Noise("runs ± 5 %", luck=0.045),
    Noise("luck by popularity", luck=0.1, by_popularity=True),
    Noise("alike models", luck=0.018, alike=True),
    Noise("10 % of runs collapse", luck=0.018, collapse=0.1),
)


def simulate_models(
    noise: Noise, users: int, seeds: Sequence[int], generator: np.random.Generator, shift: float = 0.0
) -> list[UserMetrics]:
    """Simulate models with independent runs on the same users.

    Args:
        noise: how runs differ.
        users: number of users.
        seeds: runs of each model; 0 for a deterministic one. Its users have the luck of a run each, so that
            its true mean equals that of the others.
        generator: random numbers.
        shift: the first model's gain in the logarithm of ranks; 0: the true means are equal.
    """
    taste = generator.normal(0, TASTE, users)
    shared = generator.normal(0, MATCH, users)
    models = []
    for place, count in enumerate(seeds):
        suits = shared if noise.alike else generator.normal(0, MATCH, users)
        strength = taste + suits + (0.0 if place else shift)
        if count:
            models.append(_trained(noise, strength, count, generator))
        else:
            models.append(_deterministic(noise, strength, generator))
    return models


def simulate_shared_stage(
    users: int,
    seeds: int,
    generator: np.random.Generator,
    luck: float,
    share: float = 0.9,
    shift: float = 0.0,
) -> tuple[UserMetrics, UserMetrics]:
    """Simulate two labels whose runs share a trained stage: ``share`` of the variance of luck and noise."""
    taste = generator.normal(0, TASTE, users) + generator.normal(0, MATCH, users)
    common = generator.normal(0, luck, (seeds, 1)) + generator.normal(0, NOISE, (seeds, users))
    pair = []
    for gain in (shift, 0.0):
        own = generator.normal(0, luck, (seeds, 1)) + generator.normal(0, NOISE, (seeds, users))
        pair.append(_metrics(taste + gain + np.sqrt(share) * common + np.sqrt(1 - share) * own))
    return pair[0], pair[1]


def _trained(noise: Noise, strength: Floats, seeds: int, generator: np.random.Generator) -> UserMetrics:
    shape = (seeds, len(strength))
    spread = _spread(noise, len(strength))
    if noise.by_popularity:
        luck = np.repeat(generator.normal(0, noise.luck, (seeds, 4)), _quarters(len(strength)), axis=1)
    else:
        luck = generator.normal(0, noise.luck, (seeds, 1))
    lost = HALVED * (generator.random((seeds, 1)) < noise.collapse)
    return _metrics(strength + luck - lost + spread * generator.standard_normal(shape))


def _deterministic(noise: Noise, strength: Floats, generator: np.random.Generator) -> UserMetrics:
    spread = np.hypot(_spread(noise, len(strength)), noise.luck)
    return _metrics((strength + spread * generator.standard_normal(len(strength)))[None], deterministic=True)


def _spread(noise: Noise, users: int) -> Floats:
    """Standard deviation of e for every user, (users,)."""
    if noise.by_popularity:
        return np.repeat(np.array([0.6, 0.8, 1.0, 1.2]), _quarters(users))
    return np.full(users, NOISE / 2 if noise.alike else NOISE)


def _quarters(users: int) -> list[int]:
    return [len(part) for part in np.array_split(np.arange(users), 4)]


def _metrics(strength: Floats, deterministic: bool = False) -> UserMetrics:
    """NDCG@10 of ranks, (seeds, users)."""
    ranks = np.maximum(np.floor(np.exp(5.35 - strength)), 1.0)
    return UserMetrics(ndcg(ranks, 10), deterministic)
