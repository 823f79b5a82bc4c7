"""A search on some of the users trains and validates on the same ones."""

import numpy as np
import pytest
from small_data import small_dataset

from lrbench.config.accounts import Accounts
from lrbench.config.protocol import PROTOCOLS, find_protocol
from lrbench.data.sequences import Sequences, Split
from lrbench.data.splits.members import group_users
from lrbench.data.splitting import split
from lrbench.execution.tuning.search import _some_users

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
    whole = split(data, PROTOCOLS["shared-merge"].sharing(settings))
    some = _some_users(whole, 40, seed=3)
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
        assert _some_users(whole, count, seed=3) is whole


def test_users_without_shared_accounts_are_those_of_earlier_versions() -> None:
    some: Split = _some_users(split(DATA, find_protocol("loo-20")), 60, seed=7)
    drawn = np.random.default_rng(np.random.SeedSequence(entropy=7)).choice(300, 60, replace=False)
    assert some.valid.users.tolist() == sorted(drawn.tolist())
    assert some.train.users is not None
    assert some.train.users.tolist() == sorted(drawn.tolist())
