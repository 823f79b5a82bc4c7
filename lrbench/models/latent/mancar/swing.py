"""The Swing graph (Yang et al., 2020).

Two items are near if pairs of users have both of them and little else in common. The weight of item j among
the neighbours of item i is

``w(i, j) = Σ_{u<v} 2 / [((|I_u| + 5)(|I_v| + 5))^0.3 · (|I_u ∩ I_v| + 1)] / √|U_j|``

I_u are the items of user u, and U_j are the users of item j. The sum is over pairs of users who have both
items. If more than ten users have both, ten are drawn at random. With fewer than two there is no edge. The
constants are those of ManCAR's code. That code visits a pair of items once for each common user, so its
weights are multiplied by co-occurrence. This is not reproduced here.
"""

import numpy as np
import scipy.sparse

from lrbench.arrays import Floats, Int64s, ranges
from lrbench.data.sequences import TrainingView

__all__ = ["swing_neighbours"]

_COMMON_USERS = 10
_ACTIVITY, _POWER, _SMOOTHING = 5, 0.3, 1
_USER_PAIRS = 500_000  # pairs whose overlaps are computed at once
_USER_PAIRS_IN_MEMORY = 10_000_000  # pairs of users whose weights are held at once: about 0.6 GB


def swing_neighbours(view: TrainingView, number: int, longest: int, seed: int = 0) -> Int64s:
    """Return the nearest items of each item, nearest first, (items, number), −1 where there are fewer.

    Args:
        view: the training part. All its items are used. The code leaves out the last one of each user.
        number: neighbours of an item.
        longest: how many of a user's latest items are used.
        seed: of the draw of common users.
    """
    owned = _user_items(view, longest)
    pairs, users = _co_occurrences(owned, seed)
    edges, weights = _weights(owned, pairs, users)
    return _nearest(edges, weights, owned, number)


def _user_items(view: TrainingView, longest: int) -> scipy.sparse.csr_array:
    """Return a matrix of ones where a user has an item, (users, items). Repeats count once."""
    starts = np.maximum(view.starts, view.stops - longest)
    counts = view.stops - starts
    items = view.items[ranges(starts, counts)].astype(np.int64)
    users = np.repeat(np.arange(len(starts)), counts)
    matrix = scipy.sparse.csr_array(
        (np.ones(len(items), dtype=np.float32), (users, items)), (len(starts), view.n_items)
    )
    matrix.data[:] = 1
    matrix.sort_indices()
    return matrix


def _co_occurrences(owned: scipy.sparse.csr_array, seed: int) -> tuple[Int64s, Int64s]:
    """Return pairs of items and a user that has both, (entries,) each.

    A pair is the number i · items + j with i < j. It has at most ten entries, which are contiguous.
    """
    counts = np.diff(owned.indptr)
    keys, users = [], []
    n_items = owned.shape[1]
    for count in np.unique(counts[counts > 1]):  # users with equally many items make one rectangular table
        members = np.flatnonzero(counts == count)
        table = owned.indices[owned.indptr[members][:, None] + np.arange(count)].astype(np.int64)
        first, second = np.triu_indices(count, 1)
        keys.append((table[:, first] * n_items + table[:, second]).ravel())
        users.append(np.repeat(members, len(first)))
    if not keys:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    key, user = np.concatenate(keys), np.concatenate(users).astype(np.int64)
    place_of_user = np.random.default_rng(seed).permutation(owned.shape[0])  # one random order for all pairs
    order = np.lexsort((place_of_user[user], key))
    key, user = key[order], user[order]
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    place = np.arange(len(key)) - np.repeat(starts, np.diff(np.r_[starts, len(key)]))
    kept = place < _COMMON_USERS
    return key[kept], user[kept]


def _weights(owned: scipy.sparse.csr_array, pairs: Int64s, users: Int64s) -> tuple[Int64s, Floats]:
    """Return the pairs of items that at least two users have, and Σ_{u<v} of each, (edges,) each."""
    starts = np.flatnonzero(np.r_[True, pairs[1:] != pairs[:-1]])
    sizes = np.diff(np.r_[starts, len(pairs)])
    edges, weights = [np.empty(0, np.int64)], [np.empty(0)]
    for size in range(2, _COMMON_USERS + 1):
        begins = starts[sizes == size]
        first, second = np.triu_indices(size, 1)
        block = max(1, _USER_PAIRS_IN_MEMORY // len(first))
        for start in range(0, len(begins), block):
            common = users[begins[start : start + block, None] + np.arange(size)]  # (block, size)
            edges.append(pairs[begins[start : start + block]])
            weights.append(_pair_weights(owned, common[:, first], common[:, second]).sum(axis=1))
    edge, weight = np.concatenate(edges), np.concatenate(weights)
    order = np.argsort(edge)
    return edge[order], weight[order]


def _pair_weights(owned: scipy.sparse.csr_array, left: Int64s, right: Int64s) -> Floats:
    """Return the term of the sum of each pair of users, in the shape of ``left`` and ``right``."""
    activity = (np.diff(owned.indptr) + _ACTIVITY) ** _POWER
    overlap = _overlaps(owned, left.ravel(), right.ravel()).reshape(left.shape)
    weight: Floats = 2 / (activity[left] * activity[right] * (overlap + _SMOOTHING))
    return weight


def _overlaps(owned: scipy.sparse.csr_array, left: Int64s, right: Int64s) -> Floats:
    """Return |I_u ∩ I_v| of pairs of users, (pairs,). Each distinct pair is computed once."""
    n_users = owned.shape[0]
    low, high = np.minimum(left, right), np.maximum(left, right)
    distinct, group = np.unique(low * n_users + high, return_inverse=True)
    overlap = np.empty(len(distinct))
    for start in range(0, len(distinct), _USER_PAIRS):
        part = distinct[start : start + _USER_PAIRS]
        shared = owned[part // n_users].multiply(owned[part % n_users])
        overlap[start : start + len(part)] = np.asarray(shared.sum(axis=1)).ravel()
    found: Floats = overlap[group]
    return found


def _nearest(
    edges: Int64s,
    weights: Floats,
    owned: scipy.sparse.csr_array,
    number: int,
) -> Int64s:
    """Return the neighbours of each item by falling weight, then by item number, (items, number)."""
    n_items = owned.shape[1]
    popularity = np.bincount(owned.indices, minlength=n_items)
    first, second = edges // n_items, edges % n_items
    item, neighbour = np.concatenate((first, second)), np.concatenate((second, first))
    weight = np.concatenate((weights, weights)) / np.sqrt(popularity[neighbour])
    order = np.lexsort((neighbour, -weight, item))
    item, neighbour = item[order], neighbour[order]
    counts = np.bincount(item, minlength=n_items)
    place = np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)
    nearest = np.full((n_items, number), -1, dtype=np.int64)
    kept = place < number
    nearest[item[kept], place[kept]] = neighbour[kept]
    return nearest
