"""Who shares an account: users in groups, drawn from a seed."""

import numpy as np
from scipy import sparse

from lrbench.arrays import Floats, Int64s, ranges
from lrbench.config.accounts import Accounts
from lrbench.data.sequences import Sequences

__all__ = ["group_users"]

_BLOCK = 256  # users whose vectors are in memory at once


def group_users(sequences: Sequences, settings: Accounts) -> Int64s:
    """Return the account of each user, (users,); accounts are numbered by their lowest user number."""
    random = np.random.default_rng([settings.seed, 0])
    users = random.permutation(sequences.n_users)
    sizes = _sizes(settings, sequences.n_users, random)
    if settings.partners != "random" and len(sizes) < sequences.n_users:
        users = _by_likeness(sequences, users, sizes, settings.partners == "similar")
    drawn = np.empty(sequences.n_users, dtype=np.int64)
    drawn[users] = np.repeat(np.arange(len(sizes)), sizes)
    lowest = np.full(len(sizes), sequences.n_users)
    np.minimum.at(lowest, drawn, np.arange(sequences.n_users))
    numbers: Int64s = np.argsort(np.argsort(lowest))
    return np.asarray(numbers[drawn])


def _sizes(settings: Accounts, n_users: int, random: np.random.Generator) -> Int64s:
    """Draw numbers of members that add up to all users, (accounts,); the last takes what is left."""
    drawn = random.choice(list(settings.sizes), size=n_users, p=list(settings.sizes.values()))
    ends = np.cumsum(drawn)
    needed = int(np.searchsorted(ends, n_users)) + 1
    return np.asarray(np.diff(np.minimum(ends[:needed], n_users), prepend=0))


def _by_likeness(sequences: Sequences, users: Int64s, sizes: Int64s, similar: bool) -> Int64s:
    """Order users so that an account has its first member and the free users most or least similar to it."""
    likenesses = _Likenesses(sequences)
    free = np.ones(sequences.n_users, dtype=bool)
    ordered: list[int] = []
    queue = iter(users)
    for size in sizes:
        first = next(user for user in queue if free[user])
        free[first] = False
        likeness = likenesses.with_user(int(first))
        likeness[~free] = -np.inf if similar else np.inf
        nearest = np.argsort(-likeness if similar else likeness, kind="stable")[: size - 1]
        free[nearest] = False
        ordered += [first, *nearest]
    return np.array(ordered, dtype=np.int64)


class _Likenesses:
    """Cosines of users, whose vectors say which items occur together with the user's training items.

    A co-occurrence count says in how many users' training parts two items occur together. The vector of an
    item is its row of these counts, scaled to length 1. That of a user is the sum over the user's items. All
    vectors of users together, (users, items), could take hundreds of gigabytes. So only their lengths are
    kept. Many cosines differ by less than float32 resolves, so they are float64.

    Args:
        sequences: of the users.
    """

    def __init__(self, sequences: Sequences) -> None:
        counts = np.where(sequences.lengths >= 3, sequences.lengths - 2, sequences.lengths)
        items = sequences.items[ranges(sequences.offsets[:-1], counts)]
        users = np.repeat(np.arange(sequences.n_users), counts)
        shape = (sequences.n_users, sequences.n_items)
        self._owned = sparse.csr_array((np.ones(len(items)), (users, items)), shape=shape)
        self._owned.data[:] = 1  # a repeat counts once
        together = (self._owned.T @ self._owned).tocsr()  # (items, items)
        self._items = (
            sparse.diags_array(1 / _lengths(together)) @ together
        )  # (items, items), rows of length 1
        starts = range(0, sequences.n_users, _BLOCK)
        self._lengths = np.concatenate(
            [_lengths(self._owned[start : start + _BLOCK] @ self._items) for start in starts]
        )  # (users,)

    def with_user(self, user: int) -> Floats:
        """Return the cosine of each user with one user, (users,)."""
        vector = (self._owned[[user]] @ self._items).toarray()[0] / self._lengths[user]  # (items,)
        return np.asarray(self._owned @ (self._items @ vector) / self._lengths)


def _lengths(rows: sparse.csr_array) -> Floats:
    """Return the length of each row as a vector, at least 1e-12."""
    squares = np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float64)
    return np.asarray(np.maximum(np.sqrt(squares.ravel()), 1e-12))
