"""Correct several tests: Holm (1979) for a declared family, Benjamini & Hochberg (1995) for the rest."""

import numpy as np
from numpy.typing import ArrayLike

from lrbench.arrays import Floats

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: ArrayLike, awaited: int = 0) -> Floats:
    """Adjust p-values, (tests,), in their order, to control the family-wise error (step-down).

    The i-th smallest of m becomes (m - i + 1) p, never below the one before it and never above 1.

    Args:
        p_values: p-values of the tests that have a result.
        awaited: how many tests of the family have no result yet. They count as p = 1. So results that come
            later can only lower the adjusted p-values of today.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = (awaited + np.arange(len(p), 0, -1)) * p[order]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Adjust p-values, (tests,), in their order, to control the false discovery rate (step-up).

    The i-th smallest of m becomes p m / i, never above the one after it and never above 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return adjusted
