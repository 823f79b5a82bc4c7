"""Does thinking longer help? One slope over depth instead of a test for every pair of depths."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["depth_trend"]


def depth_trend(by_depth: Mapping[int, UserMetrics]) -> Contrast:
    """Slope of the metric on log₂ depth: the gain per doubling of the depth.

    The same runs at several depths. Each (run, user) has a least-squares slope of its own, so that the
    slopes form a matrix like any metric, and the crossed test asks whether its mean is zero. Depth 0, which
    has no logarithm, is left out.

    Raises:
        ValueError: fewer than two depths above 0.
    """
    depths = sorted(depth for depth in by_depth if depth > 0)
    if len(depths) < 2:
        raise ValueError(f"a slope needs two depths above 0, got {depths}")
    levels = np.log2(depths)
    weights = (levels - levels.mean()) / np.square(levels - levels.mean()).sum()
    shallowest = by_depth[depths[0]]
    slopes = np.zeros_like(shallowest.values)  # (seeds, users)
    for weight, depth in zip(weights, depths, strict=True):
        slopes += weight * by_depth[depth].values
    flat = UserMetrics(np.zeros((1, shallowest.users)), deterministic=True)
    return replace(crossed(UserMetrics(slopes, shallowest.deterministic), flat), test="trend")
