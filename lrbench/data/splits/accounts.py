"""Accounts that several users share, made from any dataset: what sharing costs, and what a model recovers.

Users are put into groups, and the interactions of a group become one sequence in time order. Nothing is added
or lost. With the scope ``member``, each member's own last two interactions are held out, as without accounts.
Each is predicted from everything in the account before it. Training uses the interactions that are not held
out. An earlier held-out interaction of another member may be part of a history, but never a training target.
"""

from dataclasses import dataclass

import numpy as np

from lrbench.arrays import Bools, Int32s, Int64s
from lrbench.config.accounts import Accounts
from lrbench.config.protocol import Protocol
from lrbench.data.sequences import EvaluationView, Sequences, Split, TrainingView
from lrbench.data.splits.members import group_users
from lrbench.data.time_units import per_second
from lrbench.errors import RequestError
from lrbench.wording import counted

__all__ = ["Merged", "merge", "shared_accounts"]

_WEEK = 7 * 24 * 3600

_MEAN_BLOCK = 3
"""Mean number of consecutive interactions of one member, if times give no order."""


@dataclass(frozen=True)
class Merged:
    """The interactions of accounts, oldest first, account after account."""

    items: Int32s  # (interactions,)
    users: Int64s  # (interactions,) the user of each interaction; for evaluation only
    places: Int64s  # (interactions,) flat index of each in the sequences before merging
    times: Int64s | None  # (interactions,) shifted if members were aligned; `None`: times give no order
    offsets: Int64s  # (accounts + 1,)

    @property
    def first_users(self) -> Int64s:
        """The lowest user number of each account, (accounts,)."""
        return np.asarray(np.minimum.reduceat(self.users, self.offsets[:-1]))

    def members(self) -> Int64s:
        """Number the members of each account from 0, by their user numbers, (interactions,)."""
        account = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        users, user = np.unique(self.users, return_inverse=True)
        owner = np.empty(len(users), dtype=np.int64)
        owner[user] = account
        order = np.lexsort((users, owner))
        first = np.searchsorted(owner[order], np.arange(len(self.offsets) - 1))
        number = np.empty(len(users), dtype=np.int64)
        number[order] = np.arange(len(users)) - first[owner[order]]
        return np.asarray(number[user])


def shared_accounts(sequences: Sequences, protocol: Protocol) -> Split:
    """Merge users into accounts as ``protocol.accounts`` says, and hold out the last two interactions.

    Raises:
        RequestError: an account would have more members than there are users.
    """
    settings = protocol.accounts
    if settings is None:
        raise ValueError("shared accounts need their settings")
    merged = merge(sequences, settings)
    held_out, users, valid, test = _targets(sequences, merged, settings)
    kept = ~held_out
    before = np.concatenate([[0], np.cumsum(kept)])[merged.offsets]  # (accounts + 1,)
    train = TrainingView(
        items=merged.items[kept],
        starts=before[:-1],
        stops=before[1:],
        n_items=sequences.n_items,
        times=None if merged.times is None else merged.times[kept],
        users=merged.first_users,
        members=merged.members()[kept],
    )
    return Split(
        train=train,
        valid=_view(merged, sequences.n_items, users, valid),
        test=_view(merged, sequences.n_items, users, test),
    )


def merge(sequences: Sequences, settings: Accounts) -> Merged:
    """Merge the interactions of each account; accounts are ordered by their lowest user number.

    Raises:
        RequestError: an account would have more members than there are users.
    """
    largest = max(settings.sizes)
    if largest > sequences.n_users:
        raise RequestError(
            f"Accounts of {largest} members cannot be made from {counted(sequences.n_users, 'user')}.",
            'Choose a smaller size under [accounts], such as "fixed-1".',
        )
    account = group_users(sequences, settings)  # (users,)
    users = np.repeat(np.arange(sequences.n_users), sequences.lengths)
    of_account = account[users]
    times = _times(sequences, account, settings)
    if times is None:
        order = np.lexsort((users, _turns(sequences, account, settings), of_account))
    else:
        order = np.lexsort((times, of_account))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(of_account))])
    return Merged(
        items=sequences.items[order],
        users=users[order],
        places=order,
        times=None if times is None else times[order],
        offsets=offsets,
    )


def _times(sequences: Sequences, account: Int64s, settings: Accounts) -> Int64s | None:
    """Return times that can be compared within an account, (interactions,); `None` if there are none."""
    times = sequences.times
    if times is None or settings.align == "none":
        shared = int(account.max()) + 1 < sequences.n_users
        return None if sequences.own_clocks and shared else times
    last = times[np.maximum(sequences.offsets[1:] - 1, 0)]  # (users,)
    latest = np.full(int(account.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, account, last)
    before_end = np.random.default_rng([settings.seed, 1]).integers(
        0, _WEEK * per_second(times), sequences.n_users
    )
    alone = np.bincount(account)[account] == 1
    shift = np.where(alone, 0, latest[account] - before_end - last)
    return np.asarray(times + np.repeat(shift, sequences.lengths))


def _turns(sequences: Sequences, account: Int64s, settings: Accounts) -> Int64s:
    """Return the turn of each interaction, (interactions,): members of an account take turns.

    In each turn, a member has a block of interactions of geometric length, until it has none left.
    """
    random = np.random.default_rng([settings.seed, 2])
    blocks = random.geometric(1 / _MEAN_BLOCK, len(sequences.items))  # more blocks than any user needs
    ends = np.cumsum(blocks)
    before = np.concatenate([[0], ends])[sequences.offsets[:-1]]  # (users,) each user has blocks of its own
    within = np.arange(len(sequences.items)) - np.repeat(sequences.offsets[:-1], sequences.lengths)
    turn = np.searchsorted(ends, np.repeat(before, sequences.lengths) + within, side="right")
    return np.asarray(turn - np.repeat(sequences.offsets[:-1], sequences.lengths))


def _targets(
    sequences: Sequences, merged: Merged, settings: Accounts
) -> tuple[Bools, Int64s, Int64s, Int64s]:
    """Return which interactions are held out, and where the targets are.

    Returns:
        Whether each interaction is held out, (interactions,); then, (evaluated,) each, the user of every pair
        of targets and the flat indices of its validation and its test target.
    """
    held_out = np.zeros(len(merged.items), dtype=bool)
    if settings.scope == "member":
        at = np.empty(len(merged.items), dtype=np.int64)  # flat index after merging, by that before
        at[merged.places] = np.arange(len(at))
        users = np.flatnonzero(sequences.lengths >= 3)
        ends = sequences.offsets[1:][users]
        valid, test = at[ends - 2], at[ends - 1]
    else:
        enough = np.diff(merged.offsets) >= 3
        ends = merged.offsets[1:][enough]
        users = merged.first_users[enough]
        valid, test = ends - 2, ends - 1
    held_out[valid] = held_out[test] = True
    return held_out, users, valid, test


def _view(merged: Merged, n_items: int, users: Int64s, at: Int64s) -> EvaluationView:
    account = np.searchsorted(merged.offsets, at, side="right") - 1
    return EvaluationView(
        items=merged.items,
        users=users,
        starts=merged.offsets[account],
        stops=at,
        targets=merged.items[at],
        n_items=n_items,
        times=merged.times,
        members=merged.members(),
        accounts=merged.first_users[account],
    )
