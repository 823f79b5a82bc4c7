"""The users that a search trains and validates on: all, or as many as the suite says."""

from dataclasses import replace

import numpy as np

from lrbench.arrays import Int64s
from lrbench.config.protocol import Protocol
from lrbench.data.sequences import Split

__all__ = ["count_users", "some_users"]


def some_users(parts: Split, protocol: Protocol, count: int | None, seed: int) -> Split:
    """Draw ``count`` users at random, and keep their training sequences and validation targets.

    Where users share accounts, whole accounts are drawn, which together have about ``count`` users. Where a
    split also trains on users without validation targets, the same share of both kinds is drawn. All items
    and all test targets stay. ``count`` of ``None``: all users.
    """
    users = count_users(parts, protocol)
    if count is None or count >= users:
        return parts
    random = np.random.default_rng(np.random.SeedSequence(entropy=seed))
    kinds = (np.unique(parts.valid.owners), _only_trained_on(parts, protocol))
    shares = [
        random.choice(owners, -(-count * len(owners) // users), replace=False)
        for owners in kinds
        if len(owners)
    ]
    drawn, view, owners = np.concatenate(shares), parts.train, _trained_on(parts)
    kept = np.isin(owners, drawn)
    train_view = replace(view, starts=view.starts[kept], stops=view.stops[kept], users=owners[kept])
    valid = parts.valid.reordered(np.flatnonzero(np.isin(parts.valid.owners, drawn)))
    return Split(train_view, valid, parts.test)


def count_users(parts: Split, protocol: Protocol) -> int:
    """Return how many users a search trains and validates on."""
    return len(np.unique(parts.valid.users)) + len(_only_trained_on(parts, protocol))


def _only_trained_on(parts: Split, protocol: Protocol) -> Int64s:
    """Return the users that are trained on and have no validation targets, (users,).

    None with leave-one-out: there, they only have too few interactions.
    """
    if protocol.split in ("leave-one-out", "shared-accounts"):
        return np.empty(0, dtype=np.int64)
    return np.setdiff1d(_trained_on(parts), parts.valid.owners)


def _trained_on(parts: Split) -> Int64s:
    """Return the user of each training sequence, (sequences,)."""
    view = parts.train
    return np.arange(len(view.starts)) if view.users is None else view.users
