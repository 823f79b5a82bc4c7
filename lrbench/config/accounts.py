"""``[accounts]``: how users become accounts that several share, under the protocol ``shared-merge``."""

from typing import Literal

from pydantic import Field

from lrbench.config.base import FrozenConfig

__all__ = ["MOST_MEMBERS", "AccountRows", "Accounts"]

_MIXED = {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1}

MOST_MEMBERS = max(_MIXED)
"""The most members that an account can have."""


class Accounts(FrozenConfig):
    """Accounts made from the users of a dataset, drawn from a seed."""

    size: Literal["fixed-1", "fixed-2", "fixed-3", "mixed"] = "fixed-2"
    """Members of an account: 1, 2 or 3. ``mixed``: 1 to 4, drawn with shares .4, .3, .2 and .1. The last
    account takes the members that are left."""

    partners: Literal["random", "similar", "unlike"] = "random"
    """Who shares an account with its first member: users at random, or the most or the least similar ones.
    Similar users have training items that occur together in training."""

    align: Literal["none", "end"] = "none"
    """``end`` shifts the times of each member so that all last interactions of an account fall within one
    week. Otherwise members often do not overlap in time. Without times it changes nothing: members then take
    turns."""

    scope: Literal["account", "member"] = "member"
    """Whose last two interactions are held out: the account's, or each member's. With ``member`` the users
    and the targets are those of leave-one-out without accounts."""

    seed: int = Field(default=0, ge=0)
    """Seed with which partners, sizes, shifts in time and, if times give no order, turns are drawn."""

    @property
    def sizes(self) -> dict[int, float]:
        """Numbers of members, each with its share of the accounts."""
        return _MIXED if self.size == "mixed" else {int(self.size.removeprefix("fixed-")): 1.0}

    @property
    def mean_size(self) -> float:
        """Mean number of members, by the shares."""
        return sum(size * share for size, share in self.sizes.items())


class AccountRows(FrozenConfig):
    """A split of data in which an account has several overlapping rows, each with its last item as target."""

    disjoint: bool
    """Whether all rows of an account are on one side. If not, rows are drawn one by one, as published."""

    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the rows that are for test; with ``disjoint``, share of the accounts."""

    valid_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the accounts whose rows are for validation. Without ``disjoint``, it is a share of those
    accounts that have rows outside test."""

    seed: int = Field(default=1, ge=0)
    """Seed with which rows and accounts are drawn."""
