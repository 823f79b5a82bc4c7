"""Prepared interactions in flat arrays, and the ranges of them that protocols train and test on.

Every room after preparation reads these. Users and items are numbered densely from 0, and there is no padding
item. The interactions of user ``u``, oldest first, are ``items[offsets[u]:offsets[u + 1]]``.
"""

from dataclasses import dataclass, replace

import numpy as np

from lrbench.arrays import Bools, Floats, Int32s, Int64s, ranges

__all__ = ["EvaluationView", "Sequences", "Split", "TrainingView"]


@dataclass(frozen=True)
class Sequences:
    """All interactions of a prepared dataset."""

    items: Int32s  # (interactions,)
    offsets: Int64s  # (users + 1,)
    times: Int64s | None  # (interactions,) in the source's own unit; `None` where the source has no times
    n_items: int
    ratings: Floats | None = None  # (interactions,) `None` where there are none, or none were kept
    accounts: Int64s | None = None  # (users,) account of each sequence; `None`: each user is an account
    own_clocks: bool = False
    """Whether times count from each user's own first interaction and cannot be compared between users."""

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64s:
        """Interactions of each user, (users,)."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class TrainingView:
    """The parts of the sequences that may be trained on."""

    items: Int32s  # (interactions,) flat, sequence after sequence
    starts: Int64s  # (sequences,) flat index of the first training interaction
    stops: Int64s  # (sequences,) one past the last
    n_items: int
    times: Int64s | None = None  # (interactions,)
    labels: Bools | None = None  # (interactions,) which may be targets; `None`: all
    users: Int64s | None = None  # (sequences,) the user of each; `None`: sequence u belongs to user u
    members: Int64s | None = None
    """(interactions,) number of the member within its account; only oracle rows may use it."""

    @property
    def interactions(self) -> Int64s:
        """Flat index of every training interaction, sequence by sequence."""
        return ranges(self.starts, self.stops - self.starts)


@dataclass(frozen=True)
class EvaluationView:
    """Held-out items to rank, each with the history before it. The target of a history is ``items[stop]``."""

    items: Int32s  # (interactions,) the flat items of all users
    users: Int64s  # (evaluated,) user numbers; one user may have several targets
    starts: Int64s  # (evaluated,) flat index of the oldest interaction of the history
    stops: Int64s  # (evaluated,) one past the latest interaction of the history
    targets: Int32s  # (evaluated,)
    n_items: int
    times: Int64s | None = None  # (interactions,)
    not_ranked: Int64s | None = None  # items that are no candidates; `None`: all items are
    members: Int64s | None = None
    """(interactions,) number of the member within its account; only oracle rows may use it."""

    accounts: Int64s | None = None
    """(evaluated,) whose history it is: the user of a training sequence. `None`: it is that of ``users``."""

    @property
    def owners(self) -> Int64s:
        """The user of the training sequence that each history continues, (evaluated,)."""
        return self.users if self.accounts is None else self.accounts

    def __len__(self) -> int:
        return len(self.users)

    def repeating(self) -> Bools:
        """Tell which targets repeat the last item of their history, (evaluated,)."""
        return np.asarray(self.items[self.stops - 1] == self.targets)

    def undated(self) -> Bools | None:
        """Tell which targets have the same time as their last input, (evaluated,); ``None`` without times.

        Only the file says which of the two came first.
        """
        if self.times is None:
            return None
        return np.asarray(self.times[self.stops] == self.times[self.stops - 1])

    def reordered(self, order: Int64s) -> "EvaluationView":
        """Return the same targets in another order.

        Args:
            order: places in this view, (evaluated,).
        """
        return replace(
            self,
            users=self.users[order],
            starts=self.starts[order],
            stops=self.stops[order],
            targets=self.targets[order],
            accounts=None if self.accounts is None else self.accounts[order],
        )


@dataclass(frozen=True)
class Split:
    """What a protocol trains on, selects on and tests on."""

    train: TrainingView
    valid: EvaluationView
    test: EvaluationView
