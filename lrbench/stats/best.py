"""Is the order of a leaderboard real? Find the models that are not significantly worse than the best one."""

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
    """Say of each model whether the test fails to separate it from the one with the best mean.

    Each model is tested against the best. The best was chosen from the same data, so any of the
    k (k - 1) / 2 pairs could have been tested. p-values are therefore multiplied by the number of pairs
    (Bonferroni).

    Args:
        models: k models that differ; the same model twice would count twice.
        alpha: probability of leaving out a model that is as good as the best.
        test: function from the indices of two models to their contrast; `None`: the crossed test of
            independent runs.

    Returns:
        For each model: `True` for the best itself and where no difference is shown, `False` where the model
        is worse, `None` where the comparison is not testable.
    """
    contrast_of = test or (lambda first, second: crossed(models[first], models[second]))
    best = int(np.argmax([model.mean for model in models]))
    pairs = len(models) * (len(models) - 1) / 2
    verdicts: list[bool | None] = []
    for index, model in enumerate(models):
        if model.mean == models[best].mean:
            verdicts.append(True)
            continue
        contrast = contrast_of(best, index)
        verdicts.append(bool(contrast.p * pairs > alpha) if contrast.testable else None)
    return verdicts
