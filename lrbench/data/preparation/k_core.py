"""The k-core: what is left when users and items with fewer than k interactions are removed, repeatedly."""

import numpy as np

from lrbench.arrays import Int32s, Int64s

__all__ = ["k_core"]


def k_core(users: Int32s, items: Int32s, k: int) -> Int64s:
    """Return, in ascending order, the rows of the k-core.

    It is the largest set of rows in which every user and every item that occurs has at least ``k`` rows. All
    rows that fall short are taken away at once, again and again. Any other order ends in the same set, since
    no row that was rightly taken away belongs to it.
    """
    kept = np.arange(len(users))
    of_users, of_items = np.bincount(users), np.bincount(items)
    while True:
        enough = (of_users >= k)[users] & (of_items >= k)[items]
        if enough.all():
            return kept
        of_users -= np.bincount(users[~enough], minlength=len(of_users))
        of_items -= np.bincount(items[~enough], minlength=len(of_items))
        kept, users, items = kept[enough], users[enough], items[enough]
