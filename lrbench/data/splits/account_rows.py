"""Rows of accounts: the published split, which leaks, and one that keeps each account on one side.

HVIDEO and HAMAZON come as rows. Several rows of an account are overlapping windows of one stream. Papers
shuffle the rows and split them 80 : 20, so that neighbours of nearly every test row are in training. The
disjoint split draws accounts instead. A row's last item is its target. LightGC²N's released code also has
the target in the input, which is not reproduced. Ranks are stored under the account, since its rows are not
independent users.
"""

import numpy as np

from lrbench.arrays import Bools, Int64s
from lrbench.config.accounts import AccountRows
from lrbench.config.protocol import Protocol
from lrbench.data.sequences import EvaluationView, Sequences, Split, TrainingView
from lrbench.errors import RequestError

__all__ = ["account_rows"]


def account_rows(sequences: Sequences, protocol: Protocol) -> Split:
    """Split as ``protocol.account_rows`` says.

    Raises:
        RequestError: the data has no accounts with rows, or a side would be empty.
    """
    settings = protocol.account_rows
    if settings is None:
        raise ValueError("rows of accounts need their settings")
    accounts = sequences.accounts
    if accounts is None:
        raise RequestError(
            f"The protocol {protocol.name} splits rows of accounts, but this data has no accounts.",
            "Choose hvideo-e or hamazon-m, or the protocol shared-merge, which makes accounts.",
        )
    test, valid = _sides(accounts, settings)
    train, usable = ~(test | valid), sequences.lengths >= 2  # a row of one item has no history
    if settings.disjoint:
        valid, test = (_longest(sequences, accounts, side & usable) for side in (valid, test))
    else:
        valid, test = valid & usable, test & usable
    if not (train.any() and valid.any() and test.any()):
        raise RequestError(
            f"The protocol {protocol.name} leaves a side without rows: there are {len(accounts):,} rows "
            f"of {len(np.unique(accounts)):,} accounts.",
            "Choose data with more accounts.",
        )
    first = _first_rows(accounts)
    rows = np.flatnonzero(train)
    return Split(
        train=TrainingView(
            items=sequences.items,
            starts=sequences.offsets[:-1][rows],
            stops=sequences.offsets[1:][rows],
            n_items=sequences.n_items,
            users=first[rows],
        ),
        valid=_view(sequences, np.flatnonzero(valid), first),
        test=_view(sequences, np.flatnonzero(test), first),
    )


def _sides(accounts: Int64s, settings: AccountRows) -> tuple[Bools, Bools]:
    """Return which rows are for test and which for validation, each (rows,)."""
    random = np.random.default_rng(settings.seed)
    if settings.disjoint:
        order = random.permutation(int(accounts.max()) + 1)
        test, valid = (round(share * len(order)) for share in (settings.test_share, settings.valid_share))
        return np.isin(accounts, order[:test]), np.isin(accounts, order[test : test + valid])
    tested = np.zeros(len(accounts), dtype=bool)
    tested[random.permutation(len(accounts))[: round(settings.test_share * len(accounts))]] = True
    others = random.permutation(np.unique(accounts[~tested]))
    chosen = others[: round(settings.valid_share * len(others))]
    return tested, ~tested & np.isin(accounts, chosen)


def _longest(sequences: Sequences, accounts: Int64s, rows: Bools) -> Bools:
    """Tell for every row, (rows,), whether it is the longest of its account; of several, the first."""
    at = np.flatnonzero(rows)
    at = at[np.lexsort((at, -sequences.lengths[at], accounts[at]))]
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[at[np.unique(accounts[at], return_index=True)[1]]] = True
    return chosen


def _first_rows(accounts: Int64s) -> Int64s:
    """Return the first row of each row's account, (rows,): the number under which the account is ranked."""
    _, first, account = np.unique(accounts, return_index=True, return_inverse=True)
    return np.asarray(first[account])


def _view(sequences: Sequences, rows: Int64s, first: Int64s) -> EvaluationView:
    last = sequences.offsets[1:][rows] - 1
    return EvaluationView(
        items=sequences.items,
        users=first[rows],
        starts=sequences.offsets[:-1][rows],
        stops=last,
        targets=sequences.items[last],
        n_items=sequences.n_items,
    )
