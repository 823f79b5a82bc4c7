"""Is the order of a leaderboard real? The models that cannot be told apart from the best one."""

from collections.abc import Callable, Sequence

import numpy as np

from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["tied_with_best"]

Test = Callable[[int, int], Contrast]


def tied_with_best(
    models: Sequence[UserMetrics], alpha: float = 0.05, test: Test | None = None
) -> list[bool | None]:
    """Say of each model whether it belongs to the set not separable from the best mean.

    Each model is tested against the best. The best was chosen from the same data, so every one of the k (k -
    1) / 2 pairs could have been tested. P-values are multiplied by their number (Bonferroni). The best
    belongs to the set; a comparison that is not testable gives none, since nothing was shown either way.

    Args:
        models: k models that differ; the same model twice would count twice.
        alpha: probability of leaving out a model that is as good as the best.
        test: from the places of two models to their contrast; none: the crossed test of independent runs.
    """
    contrast_of = test or (lambda first, second: crossed(models[first], models[second]))
    best = int(np.argmax([model.mean for model in models]))
    pairs = len(models) * (len(models) - 1) / 2
    verdicts: list[bool | None] = []
    for place, model in enumerate(models):
        if model.mean == models[best].mean:
            verdicts.append(True)
            continue
        contrast = contrast_of(best, place)
        verdicts.append(bool(contrast.p * pairs > alpha) if contrast.testable else None)
    return verdicts
