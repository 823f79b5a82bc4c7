"""What a search would have found with fewer trials.

Dodge et al., "Show Your Work: Improved Reporting of Experimental Results", EMNLP 2019, §3. The values of N
trials are taken as an empirical distribution. The best of n draws from it is at most the i-th smallest value
with probability (i / N)ⁿ. This gives the expectation and the standard deviation of the best. The estimate
holds for independent draws, that is, for random search.
"""

from dataclasses import dataclass

import numpy as np

from lrbench.arrays import Floats

__all__ = ["ExpectedBest", "expected_best"]


@dataclass(frozen=True)
class ExpectedBest:
    """The best of 1, 2, …, N draws."""

    mean: Floats  # (trials,)
    low: Floats  # (trials,) mean minus a standard deviation, but at least the smallest value
    high: Floats  # (trials,) mean plus a standard deviation, but at most the largest value


def expected_best(values: Floats, first: float | None = None) -> ExpectedBest:
    """Return the expected best value of n trials for every n up to their number, with its band.

    Args:
        values: one per random trial, (trials,), finite; at least one, unless there is a first.
        first: the value of a trial before the random ones that is not random; `None`: there is none.
    """
    if first is not None:
        alone = np.array([first])
        if not len(values):
            return ExpectedBest(alone, alone, alone)
        then = expected_best(np.maximum(values, first))
        return ExpectedBest(*(np.concatenate((alone, part)) for part in (then.mean, then.low, then.high)))
    ordered, count = np.sort(values), len(values)
    draws = np.arange(1, count + 1)[:, None]  # (trials, 1)
    steps = np.arange(count + 1) / count
    chances = np.diff(steps[None, :] ** draws, axis=1)  # (trials, trials): that the i-th smallest is the best
    mean = chances @ ordered
    variance = (chances * (ordered[None, :] - mean[:, None]) ** 2).sum(axis=1)
    spread = np.sqrt(variance)
    return ExpectedBest(mean, np.maximum(mean - spread, ordered[0]), np.minimum(mean + spread, ordered[-1]))
