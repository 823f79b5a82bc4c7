"""A search on some of the users trains and validates on the same ones, or on the same share of both kinds."""

from dataclasses import replace

import numpy as np
import pytest
from small_data import small_dataset

from lrbench.config.accounts import Accounts
from lrbench.config.protocol import PROTOCOLS, Protocol, TimeSplit, find_protocol
from lrbench.data.sequences import Sequences, Split
from lrbench.data.splits.members import group_users
from lrbench.data.splitting import split
from lrbench.execution.tuning.users import some_users

DATA = small_dataset(users=300).sequences


def with_short_users(data: Sequences) -> Sequences:
    """Leave the users of two thirds with two interactions, which is too few to be validated on."""
    stops = data.offsets[1:].copy()
    short = np.arange(data.n_users) % 3 < 2
    stops[short] = data.offsets[:-1][short] + 2
    kept = [data.items[start:stop] for start, stop in zip(data.offsets[:-1], stops, strict=True)]
    return Sequences(np.concatenate(kept), np.cumsum([0, *map(len, kept)]), None, data.n_items)


@pytest.mark.parametrize("data", [DATA, with_short_users(DATA)], ids=["long", "short"])
@pytest.mark.parametrize("scope", ["member", "account"])
@pytest.mark.parametrize("size", ["fixed-1", "fixed-3", "mixed"])
def test_whole_accounts_are_drawn_where_users_share_them(data: Sequences, size: str, scope: str) -> None:
    settings = Accounts.model_validate({"size": size, "scope": scope})
    protocol = PROTOCOLS["shared-merge"].sharing(settings)
    whole = split(data, protocol)
    some = some_users(whole, protocol, 40, seed=3)
    account = group_users(data, settings)  # (users,)
    assert some.train.users is not None
    trained = account[some.train.users]
    validated = account[some.valid.users]
    assert set(validated.tolist()) == set(trained.tolist())
    everybody = whole.valid.users[np.isin(account[whole.valid.users], trained)]
    assert some.valid.users.tolist() == everybody.tolist()
    assert 25 <= len(everybody) <= 55
    assert some.test is whole.test


@pytest.mark.parametrize("protocol", ["loo-20", "shared-merge"])
def test_as_many_users_as_there_are_leave_everything(protocol: str) -> None:
    whole = split(DATA, PROTOCOLS[protocol])
    for count in (None, 300, 301):
        assert some_users(whole, PROTOCOLS[protocol], count, seed=3) is whole


def test_users_without_shared_accounts_are_those_of_earlier_versions() -> None:
    protocol = find_protocol("loo-20")
    some: Split = some_users(split(DATA, protocol), protocol, 60, seed=7)
    drawn = np.random.default_rng(np.random.SeedSequence(entropy=7)).choice(300, 60, replace=False)
    assert some.valid.users.tolist() == sorted(drawn.tolist())
    assert some.train.users is not None
    assert some.train.users.tolist() == sorted(drawn.tolist())


def rows_of_accounts() -> Sequences:
    """The walks as rows of 100 accounts."""
    return replace(DATA, accounts=np.arange(DATA.n_users) // 3)


def mostly_new_users() -> Sequences:
    """Users one after the other in time, so that few of those in validation were there before."""
    return replace(DATA, times=np.arange(len(DATA.items)))


@pytest.mark.parametrize(
    ("protocol", "data", "people"),
    [
        (PROTOCOLS["shared-rows-disjoint"], rows_of_accounts(), 90),
        (PROTOCOLS["shared-rows"], rows_of_accounts(), None),
        (Protocol(**{**dict(PROTOCOLS["time-50"]), "time": TimeSplit()}), mostly_new_users(), None),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_split_that_validates_on_others_keeps_the_same_share_of_both(
    protocol: Protocol, data: Sequences, people: int | None
) -> None:
    whole = split(data, protocol)
    assert whole.train.users is not None
    trained, validated = set(whole.train.users.tolist()), set(whole.valid.users.tolist())
    everybody = trained | validated
    assert people in (None, len(everybody))
    assert len(trained - validated) > len(validated - trained) > 0
    count = len(everybody) // 3
    some = some_users(whole, protocol, count, seed=3)
    assert some.train.users is not None
    kept, asked = set(some.train.users.tolist()), set(some.valid.users.tolist())
    assert count <= len(kept | asked) <= count + 1
    assert len(asked) == -(-count * len(validated) // len(everybody))
    assert sorted(some.train.users.tolist()) == [user for user in whole.train.users if user in kept]
    assert some.valid.users.tolist() == [user for user in whole.valid.users if user in asked]
    assert asked & trained <= kept, "whoever is validated on is trained on, if that is possible"
    assert some.test is whole.test
    for enough in (None, len(everybody)):
        assert some_users(whole, protocol, enough, seed=3) is whole
