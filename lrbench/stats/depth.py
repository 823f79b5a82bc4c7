"""Does more reasoning help? Differences between depths of the same weights, and their shape in words.

The depths of a run share its weights, so they are compared run by run. No slope over depth is fitted, as it
would mislead. Many models are worse at depth 1 and hardly change from depth 2 on. A straight line through
such a curve has a slope with a tiny p-value.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics
from lrbench.stats.users import paired_users
from lrbench.wording import listed

__all__ = ["depth_contrast", "depth_shape", "shallowest_depth"]


def depth_contrast(by_depth: Mapping[int, UserMetrics], depth: int, reference: int) -> Contrast:
    """Test the metric at one depth against that at another, run by run."""
    return crossed(by_depth[depth], by_depth[reference], paired=True)


def shallowest_depth(by_depth: Mapping[int, UserMetrics]) -> int:
    """Choose the shallowest depth whose mean is at most one standard error below the best.

    This is the one-standard-error rule (Breiman et al. 1984), to be used with validation metrics. The
    standard error is that of the difference from the best depth, over users, with the weights held fixed.
    """
    best = max(by_depth, key=lambda depth: by_depth[depth].mean)
    for depth in sorted(by_depth):
        contrast = paired_users(by_depth[best], by_depth[depth])
        error = 0.0 if math.isnan(contrast.standard_error) else contrast.standard_error
        if contrast.difference <= error:
            return depth
    return best


def depth_shape(by_depth: Mapping[int, UserMetrics], alpha: float = 0.05) -> str:
    """Say in words which depths are shown to be lower than the best one.

    The test of paired runs compares each depth with the best at ``alpha``, without a correction. The text is
    empty where there are too few runs to test.
    """
    depths = sorted(by_depth)
    best = max(depths, key=lambda depth: by_depth[depth].mean)
    contrasts = {depth: depth_contrast(by_depth, best, depth) for depth in depths if depth != best}
    some_testable = any(contrast.testable for contrast in contrasts.values())
    if not some_testable and any(contrast.difference != 0 for contrast in contrasts.values()):
        return ""
    lower = [depth for depth, contrast in contrasts.items() if contrast.testable and contrast.p <= alpha]
    if not lower:
        return "no depth is shown to differ from the best"
    if len(lower) == len(contrasts):
        return f"depth {best}{', the deepest,' if best == depths[-1] else ''} is best, all others are lower"
    verb = "depth {} is" if len(lower) == 1 else "depths {} are"
    return f"{verb.format(_named(lower, depths))} lower, the others are not shown to differ"


def _named(chosen: Sequence[int], depths: Sequence[int]) -> str:
    """Return ``0, 1 and 4 to 8``: three or more that are neighbours among ``depths`` become a span."""
    parts: list[str] = []
    for _, neighbours in groupby(chosen, key=lambda depth: depths.index(depth) - chosen.index(depth)):
        span = list(neighbours)
        parts += [f"{span[0]} to {span[-1]}"] if len(span) > 2 else map(str, span)
    return listed(parts)
