"""Does more reasoning help? Differences between depths of the same weights, and their shape in words.

The depths of a run share its weights, so they are compared run by run. No slope over depth is fitted, as it
would mislead. Many models are worse at depth 1 and flat from depth 2 on. A straight line through such a curve
has a slope with a tiny p-value.
"""

import math
from collections.abc import Mapping, Sequence

from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics
from lrbench.stats.users import paired_users

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
    """Describe in words how the metric changes with depth.

    A depth is level with the best one unless the test of paired runs separates the two at ``alpha``. Each
    depth is tested by itself, without a correction. The text is empty where there are too few runs to test.
    """
    depths = sorted(by_depth)
    best = max(depths, key=lambda depth: by_depth[depth].mean)
    contrasts = {depth: depth_contrast(by_depth, best, depth) for depth in depths if depth != best}
    some_testable = any(contrast.testable for contrast in contrasts.values())
    if not some_testable and any(contrast.difference != 0 for contrast in contrasts.values()):
        return ""
    level = [d for d in depths if d == best or not contrasts[d].testable or contrasts[d].p > alpha]
    lower = [d for d in depths if d not in level]
    if not lower:
        return "flat: no depth is shown to differ from the best"
    if len(level) == 1:
        return f"depth {best}{', the deepest,' if best == depths[-1] else ''} is best; all others are lower"
    if level == depths[len(lower) :]:
        return f"lower up to depth {lower[-1]}, flat from {level[0]} on"
    if level == depths[: len(level)]:
        return f"flat up to depth {level[-1]}, then falls"
    verb = "is" if len(lower) == 1 else "are"
    return f"{_named(lower)} {verb} lower, the others are level"


def _named(depths: Sequence[int]) -> str:
    if len(depths) == 1:
        return f"depth {depths[0]}"
    return f"depths {', '.join(map(str, depths[:-1]))} and {depths[-1]}"
