"""Who shares an account: users in groups, drawn from a seed."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lrbench.arrays import Int64s, ranges
from lrbench.config.accounts import Accounts
from lrbench.data.sequences import Sequences

__all__ = ["group_users"]


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
    vectors = _vectors(sequences)  # (users, items), rows of length 1
    free = np.ones(sequences.n_users, dtype=bool)
    ordered: list[int] = []
    queue = iter(users)
    for size in sizes:
        first = next(user for user in queue if free[user])
        free[first] = False
        likeness = vectors @ vectors[first]  # (users,) cosines
        likeness[~free] = -np.inf if similar else np.inf
        nearest = np.argsort(-likeness if similar else likeness, kind="stable")[: size - 1]
        free[nearest] = False
        ordered += [first, *nearest]
    return np.array(ordered, dtype=np.int64)


def _vectors(sequences: Sequences) -> NDArray[np.float32]:
    """Return a vector for each user, (users, items), of the items that occur with the user's training items.

    A co-occurrence count says in how many users' training parts two items occur together. The vector of an
    item is its row of these counts, scaled to length 1. That of a user is the sum over the user's items, also
    scaled to length 1.
    """
    counts = np.where(sequences.lengths >= 3, sequences.lengths - 2, sequences.lengths)
    items = sequences.items[ranges(sequences.offsets[:-1], counts)]
    users = np.repeat(np.arange(sequences.n_users), counts)
    shape = (sequences.n_users, sequences.n_items)
    owned = sparse.csr_array((np.ones(len(items), dtype=np.float32), (users, items)), shape=shape)
    owned.data[:] = 1  # a repeat counts once
    together = (owned.T @ owned).tocsr()
    lengths = np.sqrt(np.asarray(together.multiply(together).sum(axis=1)).ravel())
    together = sparse.diags_array(1 / np.maximum(lengths, 1e-12)) @ together
    found = np.asarray((owned @ together).todense(), dtype=np.float32)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))
