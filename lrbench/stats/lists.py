"""What lists of recommended items have in common: their items, and how popular these are.

A list is a row of item numbers. −1 stands where it has no item.
"""

import numpy as np

from lrbench.arrays import Int64s

__all__ = ["coverage", "mean_popularity", "overlap"]


def coverage(lists: Int64s, n_items: int) -> float:
    """Return the share of all items that are in at least one list (Adomavicius & Kwon 2012).

    Args:
        lists: (users, most).
        n_items: number of all items.
    """
    return len(np.unique(lists[lists >= 0])) / n_items


def mean_popularity(lists: Int64s, counts: Int64s) -> float:
    """Return the mean number of training interactions of a recommended item.

    It is the mean over the items of a list, then over users (Yin et al. 2012).

    Args:
        lists: (users, most).
        counts: training interactions of each item, (items,).

    Returns:
        NaN if there is no list with an item.
    """
    filled = lists >= 0
    totals, sizes = np.where(filled, counts[lists], 0).sum(axis=1), filled.sum(axis=1)
    return float(np.mean(totals[sizes > 0] / sizes[sizes > 0])) if sizes.any() else float("nan")


def overlap(lists: Int64s, others: Int64s) -> float:
    """Return the mean over users of the share of a list that is in the user's other list, in any order.

    Args:
        lists: (users, most).
        others: (users, most).

    Returns:
        NaN if there is no list with an item.
    """
    filled = lists >= 0
    shared = ((lists[:, :, None] == others[:, None, :]).any(axis=2) & filled).sum(axis=1)
    sizes = filled.sum(axis=1)
    return float(np.mean(shared[sizes > 0] / sizes[sizes > 0])) if sizes.any() else float("nan")
