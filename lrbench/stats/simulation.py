"""Simulate models whose true difference is known, to count how often each test calls it significant.

The rank of a user's target is floor(exp(5.35 - b - c - g - e)), at least 1. The second number of N is a
standard deviation.

    b ~ N(0, 1.6)   how easy the user is to predict, the same for all models
    c ~ N(0, 0.6)   how well a model suits the user, the same for all its runs
    g ~ N(0, luck)  luck of the training run, the same for all users; ``luck`` is in :class:`Noise`
    e ~ N(0, 0.9)   how well a run suits the user

NDCG@10 is then near 0.03 and zero for nine users in ten, as on Amazon-2014 Beauty. On that dataset the
means of runs have a standard deviation of 2 to 5 % of their mean.
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
    """Standard deviation of g. The relative standard deviation of a run's NDCG@10 is about 1.1 times this."""

    by_popularity: bool = False
    """Whether each quarter of the users has its own g and spread of e, as popular and rare items have."""

    alike: bool = False
    """Whether all models share c and halve the spread of e, as variants of one architecture do."""

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
        seeds: number of runs of each model; 0 for a deterministic one. There every user gets an own draw of
            g, so that the true mean equals that of the other models.
        generator: random numbers.
        shift: the first model's gain in the logarithm of ranks. With 0 the true means are equal.

    Returns:
        NDCG@10 of each model, (runs, users), in the order of ``seeds``.
    """
    taste = generator.normal(0, TASTE, users)
    shared = generator.normal(0, MATCH, users)
    models = []
    for index, count in enumerate(seeds):
        suits = shared if noise.alike else generator.normal(0, MATCH, users)
        strength = taste + suits + (shift if index == 0 else 0.0)
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
    """Simulate two labels whose runs share a trained stage.

    Args:
        users: number of users.
        seeds: number of runs of each label.
        generator: random numbers.
        luck: standard deviation of g.
        share: part of the variance of g and e that both labels have in common.
        shift: the first label's gain in the logarithm of ranks.

    Returns:
        NDCG@10 of the two labels, (seeds, users) each.
    """
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
