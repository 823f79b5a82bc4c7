"""The k-core: what is left when users and items with fewer than k interactions are removed, repeatedly."""

import numpy as np

from lrbench.arrays import Bools, Int32s, Int64s
from lrbench.data.preparation.in_pieces import count_codes, pieces

__all__ = ["in_k_core", "k_core"]


def k_core(users: Int32s, items: Int32s, k: int) -> Int64s:
    """Return, in ascending order, the rows of the k-core; see :func:`in_k_core`."""
    return np.flatnonzero(in_k_core(users, items, k))


def in_k_core(users: Int32s, items: Int32s, k: int) -> Bools:
    """Tell for every row, (rows,), whether it belongs to the k-core.

    The k-core is the largest set of rows in which every user and every item that occurs has at least ``k``
    rows. All rows of users and items with fewer are removed, again and again. Any other order of removal ends
    in the same set, since a removed row cannot belong to any such set.
    """
    kept = np.ones(len(users), dtype=np.bool_)
    of_users, of_items = count_codes(users), count_codes(items)
    while True:
        enough_users, enough_items = of_users >= k, of_items >= k
        removed = 0
        for piece in pieces(len(users)):
            enough = enough_users[users[piece]] & enough_items[items[piece]]
            short = np.flatnonzero(kept[piece] & ~enough)
            if len(short):
                kept[piece] &= enough
                of_users -= np.bincount(users[piece][short], minlength=len(of_users))
                of_items -= np.bincount(items[piece][short], minlength=len(of_items))
                removed += len(short)
        if not removed:
            return kept
