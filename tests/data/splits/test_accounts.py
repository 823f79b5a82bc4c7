"""Merged accounts: nothing is lost, nothing held out is trained on, and one member changes nothing."""

import tracemalloc
from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_data import leave_one_out, small_dataset

from lrbench.config.accounts import Accounts
from lrbench.config.protocol import PROTOCOLS
from lrbench.data.batches import TrainingData, evaluation_batches
from lrbench.data.sequences import EvaluationView, Sequences, Split
from lrbench.data.splits import members
from lrbench.data.splits.accounts import merge
from lrbench.data.splits.members import group_users
from lrbench.data.splitting import split
from lrbench.errors import RequestError

SIZES = get_args(Accounts.model_fields["size"].annotation)
PARTNERS = get_args(Accounts.model_fields["partners"].annotation)

timed_users = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), min_size=1, max_size=8),
    min_size=4,
    max_size=9,
)
any_accounts = st.builds(
    Accounts,
    size=st.sampled_from(SIZES),
    partners=st.sampled_from(PARTNERS),
    align=st.sampled_from(["none", "end"]),
    scope=st.sampled_from(["account", "member"]),
    seed=st.integers(0, 5),
)


def sequences(users: list[list[tuple[int, int]]], timed: bool = True) -> Sequences:
    flat = [event for events in users for event in sorted(events, key=lambda event: event[1])]
    return Sequences(
        items=np.array([item for item, _ in flat], dtype=np.int32),
        offsets=np.cumsum([0, *map(len, users)]),
        times=np.array([time for _, time in flat], dtype=np.int64) if timed else None,
        n_items=10,
    )


def shared(data: Sequences, **fields: Any) -> Split:
    return split(data, PROTOCOLS["shared-merge"].sharing(Accounts(**fields)))


def rows(view: EvaluationView) -> list[tuple[int, list[int], int]]:
    """User, history and target of every held-out item."""
    spans = zip(view.users, view.starts, view.stops, view.targets, strict=True)
    return [(int(user), view.items[start:stop].tolist(), int(target)) for user, start, stop, target in spans]


def by_times(data: Sequences, user: int) -> list[tuple[int, int]]:
    span = slice(data.offsets[user], data.offsets[user + 1])
    assert data.times is not None
    return list(zip(data.times[span].tolist(), data.items[span].tolist(), strict=True))


def test_members_are_numbered_within_their_account() -> None:
    """Users 0 and 2 share one account, 1 and 3 the other; each token knows its own member and the next."""
    data = sequences([[(user, 4 * place + user) for place in range(4)] for user in range(4)])
    seeds = (seed for seed in range(50) if group_users(data, Accounts(seed=seed)).tolist() == [0, 1, 0, 1])
    parts = shared(data, seed=next(seeds))
    assert parts.train.members is not None
    assert parts.train.items.tolist() == [0, 2, 0, 2, 1, 3, 1, 3]
    assert parts.train.members.tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    (batch,) = TrainingData(parts.train, 50).batches(100, torch.device("cpu"))
    assert batch.sequences.members is not None and batch.sequences.next_members is not None
    at = batch.rows
    assert torch.equal(batch.sequences.next_members[at], (batch.targets >= 2).long())
    for users, history in evaluation_batches(parts.test, 50, 100, torch.device("cpu")):
        assert history.next_members is not None
        expected = torch.from_numpy((parts.test.targets[users] >= 2).astype(np.int64))
        assert torch.equal(history.next_members[history.last], expected)


@given(timed_users, any_accounts, st.booleans())
def test_nothing_is_added_or_lost(
    users: list[list[tuple[int, int]]], accounts: Accounts, timed: bool
) -> None:
    data = sequences(users, timed)
    merged = merge(data, accounts)
    owner = np.repeat(np.arange(data.n_users), data.lengths)
    before = Counter(zip(owner.tolist(), data.items.tolist(), strict=True))
    assert Counter(zip(merged.users.tolist(), merged.items.tolist(), strict=True)) == before
    for user in range(data.n_users):  # and no member's own order changes
        own = slice(data.offsets[user], data.offsets[user + 1])
        assert merged.items[merged.users == user].tolist() == data.items[own].tolist()
    account = group_users(data, accounts)
    found = np.repeat(np.arange(len(merged.offsets) - 1), np.diff(merged.offsets))
    assert np.array_equal(account[merged.users], found)
    if merged.times is not None:
        for start, stop in zip(merged.offsets[:-1], merged.offsets[1:], strict=True):
            assert (np.diff(merged.times[start:stop]) >= 0).all()


@given(timed_users, any_accounts)
def test_nothing_held_out_is_a_label(users: list[list[tuple[int, int]]], accounts: Accounts) -> None:
    """Every interaction gets an item of its own, so that a label tells which interaction it is."""
    plain = sequences(users)
    data = replace(plain, items=np.arange(len(plain.items), dtype=np.int32), n_items=len(plain.items))
    parts = shared(data, **accounts.model_dump())
    held_out = {*parts.valid.targets.tolist(), *parts.test.targets.tolist()}
    trained = parts.train.items[parts.train.interactions].tolist()
    assert sorted([*held_out, *trained]) == list(range(len(data.items)))
    assert not held_out & set(TrainingData(parts.train, 50).target_items.tolist())
    for view in (parts.valid, parts.test):
        for _, history, target in rows(view):
            assert target not in history
    if accounts.scope == "member":
        alone = leave_one_out(data)
        for mine, theirs in ((parts.valid, alone.valid), (parts.test, alone.test)):
            assert mine.users.tolist() == theirs.users.tolist()
            assert mine.targets.tolist() == theirs.targets.tolist()
            for (_, history, _), (_, own, _) in zip(rows(mine), rows(theirs), strict=True):
                assert set(own) <= set(history)


@given(timed_users, st.sampled_from(PARTNERS), st.sampled_from(["none", "end"]), st.booleans())
def test_accounts_of_one_are_the_plain_split(
    users: list[list[tuple[int, int]]], partners: str, align: str, timed: bool
) -> None:
    data = sequences(users, timed)
    alone = leave_one_out(data)
    for scope in ("account", "member"):
        parts = shared(data, size="fixed-1", partners=partners, align=align, scope=scope)
        assert rows(parts.valid) == rows(alone.valid)
        assert rows(parts.test) == rows(alone.test)
        assert np.array_equal(parts.test.times, alone.test.times) if timed else parts.test.times is None
        mine, theirs = (TrainingData(view, 5) for view in (parts.train, alone.train))
        assert mine.target_items.tolist() == theirs.target_items.tolist()
        assert (mine.stops - mine.starts).tolist() == (theirs.stops - theirs.starts).tolist()


def test_two_members_by_hand() -> None:
    # User 0: 1 2 3 4 at times 1, 3, 5, 7; user 1: 5 6 7 at times 2, 4, 8.
    data = sequences([[(1, 1), (2, 3), (3, 5), (4, 7)], [(5, 2), (6, 4), (7, 8)]])
    parts = shared(data, size="fixed-2")
    assert rows(parts.valid) == [(0, [1, 5, 2, 6], 3), (1, [1, 5, 2], 6)]
    assert rows(parts.test) == [(0, [1, 5, 2, 6, 3], 4), (1, [1, 5, 2, 6, 3, 4], 7)]
    assert parts.train.items[parts.train.interactions].tolist() == [1, 5, 2]
    account = shared(data, size="fixed-2", scope="account")
    assert rows(account.valid) == [(0, [1, 5, 2, 6, 3], 4)]
    assert rows(account.test) == [(0, [1, 5, 2, 6, 3, 4], 7)]
    assert account.train.items[account.train.interactions].tolist() == [1, 5, 2, 6, 3]


def test_likes_and_unlikes_by_hand() -> None:
    """Users 0 and 2 own the same items, and so do 1 and 3."""
    lists = [[0, 1, 2, 0, 1], [5, 6, 7, 5, 6], [1, 2, 0, 1, 0], [6, 7, 5, 6, 5]]
    data = sequences([[(item, time) for time, item in enumerate(items)] for items in lists])
    similar, unlike = (
        group_users(data, Accounts(partners=partners, seed=seed)).tolist()
        for partners, seed in (("similar", 1), ("unlike", 1))
    )
    assert similar == [0, 1, 0, 1]
    assert unlike[0] != unlike[2]
    assert unlike[1] != unlike[3]


def test_partners_are_drawn_from_the_seed_alone() -> None:
    data = small_dataset().sequences
    first, again, other = (group_users(data, Accounts(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.bincount(first).tolist() == [2] * 60


@pytest.mark.parametrize("timed", [True, False], ids=["shifts", "turns"])
def test_how_members_mix_is_drawn_from_the_seed(timed: bool) -> None:
    """Two users always share the account. Times of milliseconds are shifted by up to a week, too."""
    second = 1000
    start = 1_500_000_000 * second
    data = sequences([[(0, start + place * second) for place in range(60)] for _ in range(2)], timed)
    first, again, other = (
        merge(data, Accounts(size="fixed-2", align="end", seed=seed)) for seed in (1, 1, 2)
    )
    if timed:
        assert first.times is not None and other.times is not None
        assert np.array_equal(first.times, again.times)
        gaps = [times[-1] - times[-61] for times in (first.times, other.times)]
        assert gaps[0] != gaps[1]
        assert max(gaps) > 3600 * second
    else:
        assert np.array_equal(first.users, again.users)
        assert not np.array_equal(first.users, other.users)


def test_mixed_sizes_have_their_shares() -> None:
    users = [[(0, 1), (1, 2), (2, 3)]] * 4000
    sizes = np.bincount(np.bincount(group_users(sequences(users), Accounts(size="mixed"))))
    assert sizes[1:] / sizes.sum() == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.03)


def test_aligned_members_end_within_a_week() -> None:
    day = 24 * 3600
    users = [[(item, year * 365 * day + item * day) for item in range(5)] for year in range(8)]
    data = sequences(users)
    merged = merge(data, Accounts(size="fixed-2", align="end"))
    assert merged.times is not None
    for start, stop in zip(merged.offsets[:-1], merged.offsets[1:], strict=True):
        members, times = merged.users[start:stop], merged.times[start:stop]
        last = [times[members == member].max() for member in np.unique(members)]
        assert max(last) - min(last) <= 7 * day
        for member in np.unique(members):
            assert np.diff(times[members == member]).tolist() == [day] * 4
    apart = merge(data, Accounts(size="fixed-2"))
    assert all(np.count_nonzero(np.diff(apart.users[i : i + 10])) == 1 for i in apart.offsets[:-1])


def test_rows_name_their_account_by_its_lowest_user() -> None:
    data = sequences([[(0, 1), (1, 2), (2, 3), (3, 4)]] * 8)
    account = group_users(data, Accounts(size="fixed-2", seed=3))
    lowest = np.array([np.flatnonzero(account == own).min() for own in account])
    assert set(lowest.tolist()) != set(range(4))
    parts = shared(data, size="fixed-2", seed=3)
    assert parts.train.users is not None
    assert parts.train.users.tolist() == sorted(set(lowest.tolist()))
    for view in (parts.valid, parts.test):
        assert view.accounts is not None
        assert view.accounts.tolist() == lowest[view.users].tolist()


def test_a_user_alone_keeps_times_that_others_cannot_be_compared_with() -> None:
    data = replace(sequences([[(0, 1), (1, 5)], [(2, 3), (3, 4)]]), own_clocks=True)
    merged = merge(data, Accounts(size="fixed-1"))
    assert merged.times is not None
    assert merged.times.tolist() == [1, 5, 3, 4]


def test_without_times_members_take_turns() -> None:
    """Blocks have three interactions on average if times are missing or cannot be compared between users."""
    users = [[(0, time) for time in range(300)] for _ in range(2)]
    for data in (sequences(users, timed=False), replace(sequences(users), own_clocks=True)):
        merged = merge(data, Accounts(size="fixed-2"))
        assert merged.times is None
        switches = np.count_nonzero(np.diff(merged.users))
        assert 600 / switches == pytest.approx(3, abs=0.6)


def test_more_members_than_users_are_refused() -> None:
    with pytest.raises(RequestError, match="Accounts of 3 members cannot be made from 2 users"):
        shared(sequences([[(0, 1)], [(1, 2)]]), size="fixed-3")


def test_the_longest_history_grows_with_the_members() -> None:
    protocol = PROTOCOLS["shared-merge"]
    lengths = {size: protocol.sharing(Accounts(size=size)).max_length for size in SIZES}
    assert lengths == {"fixed-1": 50, "fixed-2": 100, "fixed-3": 150, "mixed": 100}
    assert protocol.sharing(Accounts()) == protocol
    with pytest.raises(ValueError, match="loo-20 makes no accounts"):
        PROTOCOLS["loo-20"].sharing(Accounts())


def random_users(n_users: int, n_items: int, seed: int = 0) -> Sequences:
    """Users with five items each, of which three are for training."""
    items = np.random.default_rng(seed).integers(n_items, size=5 * n_users).astype(np.int32)
    return Sequences(items, np.arange(n_users + 1) * 5, None, n_items)


def test_likeness_is_the_cosine_of_what_occurs_together() -> None:
    data = random_users(30, 12)
    trained = data.items.reshape(30, 5)[:, :3]
    owned = np.zeros((30, 12))
    owned[np.arange(30)[:, None], trained] = 1
    together = owned.T @ owned
    together /= np.maximum(np.linalg.norm(together, axis=1, keepdims=True), 1e-12)
    vectors = owned @ together
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likenesses = members._Likenesses(data)
    ours = np.stack([likenesses.with_user(user) for user in range(30)])
    np.testing.assert_allclose(ours, vectors @ vectors.T, atol=1e-6)


def test_likeness_of_many_users_and_items_needs_no_matrix_of_both() -> None:
    data = random_users(2_000, 10_000)
    tracemalloc.start()
    try:
        groups = group_users(data, Accounts(partners="similar", size="fixed-3"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000 * 10_000 * 4 / 4
    assert np.bincount(groups).tolist() == [3] * 666 + [2]
