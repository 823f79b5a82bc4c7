"""Is the order of a leaderboard real? The models that cannot be told apart from the best one."""

from collections.abc import Sequence

import numpy as np

from lrbench.stats.crossed import crossed
from lrbench.stats.multiplicity import holm
from lrbench.stats.user_metrics import UserMetrics

__all__ = ["tied_with_best"]


def tied_with_best(models: Sequence[UserMetrics], alpha: float = 0.05) -> list[bool | None]:
    """Say of each model whether it belongs to the set not separable from the best mean.

    Each model is tested against the best by the crossed test, with Holm over these comparisons. The best
    belongs to the set; a comparison that is not testable gives none, since nothing was shown either way.
    """
    best = int(np.argmax([model.mean for model in models]))
    contrasts = [crossed(models[best], model) for model in models]
    testable = [index for index, contrast in enumerate(contrasts) if contrast.testable and index != best]
    adjusted = holm([contrasts[index].p for index in testable])
    verdicts: list[bool | None] = [None] * len(models)
    for index, p in zip(testable, adjusted, strict=True):
        verdicts[index] = bool(p > alpha)
    identical = [model.mean == models[best].mean for model in models]
    return [True if same else verdict for same, verdict in zip(identical, verdicts, strict=True)]
