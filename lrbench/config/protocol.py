"""Protocols: frozen, named sets of choices. A result is only ever compared within one protocol."""

from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from lrbench.config.accounts import AccountRows, Accounts
from lrbench.config.base import FrozenConfig
from lrbench.errors import RequestError, did_you_mean

__all__ = ["PROTOCOLS", "Filters", "Protocol", "TimeSplit", "Window", "find_protocol"]


class Window(FrozenConfig):
    """Months whose interactions are kept. The window grows into the past until enough items are left."""

    first: str = Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")
    """The first month of the smallest window, as ``2017-10``."""

    end: str = Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")
    """The month before which the window ends; it does not belong to the window."""

    step: int = Field(default=3, ge=1)
    """Months that are added to the beginning at a time."""

    least_items: int = Field(default=5000, ge=1)
    """Items that the k-core must have."""


class Filters(FrozenConfig):
    """What preparation removes before users and items are numbered."""

    min_rating: float | None = None
    """Keep interactions with at least this rating; `None`: every rating counts as positive."""

    repeats: Literal["keep", "first"] = "keep"
    """Repeated rows of a user and an item: keep them all, or only the earliest."""

    k_core: int = Field(default=5, ge=0)
    """Remove users and items with fewer rows than this, again and again, until all have enough; 0: no
    filter."""

    keep_ratings: bool = False
    """Keep the ratings with the interactions, for protocols that choose targets by them."""

    window: Window | None = None
    """Keep a window of months; `None`: all times."""

    @property
    def settings(self) -> dict[str, Any]:
        """The options that decide the prepared data, for hashes.

        Options that later versions added are left out at their defaults, so that older preparations keep
        their names.
        """
        later = {"keep_ratings": False, "window": None}
        return self.model_dump(
            exclude={name for name, usual in later.items() if getattr(self, name) == usual}
        )


class TimeSplit(FrozenConfig):
    """A split of all interactions at two points in time, the same for all users.

    Training comes before the first point, validation between the two, test from the second on. The history
    of a target is everything of its user before it, validation included.
    """

    cuts: tuple[int, int] | None = None
    """The two points, in the unit of the source's times; `None`: at ``quantiles`` of all times."""

    quantiles: tuple[float, float] = (0.8, 0.9)
    """Shares of all interactions before the two points, if ``cuts`` is not given."""

    rating_above: float | None = None
    """Only interactions with a higher rating are targets; `None`: all are. Histories keep the others."""

    least_history: int = Field(default=1, ge=1)
    """Fewest interactions before a target, also in training."""

    known_items: bool = True
    """Drop every interaction with an item that is not in training, and do not rank such items."""

    of_datasets: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """Other values of these fields for datasets whose name matches a pattern (``amazon-2023-*``)."""

    @model_validator(mode="after")
    def _in_order(self) -> "TimeSplit":
        for first, second in (pair for pair in (self.cuts, self.quantiles) if pair is not None):
            if first >= second:
                raise ValueError("the second point in time must be after the first")
        if not 0 < self.quantiles[0] < self.quantiles[1] < 1:
            raise ValueError("quantiles must lie between 0 and 1")
        return self

    def of(self, dataset: str) -> "TimeSplit":
        """Return the split that holds for a dataset, given by its true name."""
        values = self.model_dump(exclude={"of_datasets"})
        for pattern, otherwise in self.of_datasets.items():
            if fnmatchcase(dataset, pattern):
                values |= otherwise
        return TimeSplit.model_validate(values)


_SPLIT_SETTINGS = ("time", "accounts", "account_rows")
"""Fields of a protocol that belong to one split alone; the identity of other protocols leaves them out."""


class Protocol(FrozenConfig):
    """Every choice that two comparable results must share."""

    name: str
    """The name that suites use."""

    filters: Filters
    """What preparation removes."""

    split: Literal["leave-one-out", "time", "shared-accounts", "account-rows"] = "leave-one-out"
    """How interactions become training, validation and test; ``lrbench/data/splits`` has a file for each."""

    time: TimeSplit | None = None
    """Where the split ``time`` cuts, and what it takes as targets; `None` for other splits."""

    accounts: Accounts | None = None
    """How users are merged under the split ``shared-accounts``; `None` for other splits."""

    account_rows: AccountRows | None = None
    """What the split ``account-rows`` puts on which side; `None` for other splits."""

    max_length: int = Field(ge=1)
    """How many of the latest interactions a model sees."""

    mask_seen: bool
    """Whether headline ranks leave out the items of the user's history. Ranks of the other kind are stored,
    too."""

    ties: Literal["stable-time-then-file-order"] = "stable-time-then-file-order"
    """Order of a user's interactions at equal times: that of the file."""

    selection_metric: str = "ndcg@10"
    """The validation metric that early stopping watches."""

    cutoffs: tuple[int, ...] = (5, 10, 20)
    """The values of K for Recall@K and NDCG@K."""

    summary: str
    """The description in listings and captions. It is no part of a trial's id."""

    @property
    def identity(self) -> dict[str, Any]:
        """What shapes results: every field except the sentence for readers."""
        unset = {name for name in _SPLIT_SETTINGS if getattr(self, name) is None}
        values = self.model_dump(mode="json", exclude={"summary", *unset})
        return values | {"filters": self.filters.settings}

    def of(self, dataset: str) -> "Protocol":
        """Return this protocol with the settings that hold for a dataset, given by its true name."""
        return self if self.time is None else self.model_copy(update={"time": self.time.of(dataset)})

    def sharing(self, accounts: Accounts) -> "Protocol":
        """Return this protocol with other accounts.

        ``max_length`` grows with the mean number of members, so that it stays the same per member.

        Raises:
            ValueError: the protocol makes no accounts.
        """
        if self.accounts is None:
            raise ValueError(
                f"the protocol {self.name} makes no accounts; leave [accounts] out, or use shared-merge"
            )
        of_one = self.max_length / self.accounts.mean_size
        return self.model_copy(
            update={"accounts": accounts, "max_length": round(of_one * accounts.mean_size)}
        )

    def ranks_alike(self, other: "Protocol") -> bool:
        """Tell whether both rank a trained model in the same way, however its epoch was chosen.

        ``mask_seen`` does not matter, since ranks with and without the history are stored.
        """
        aside = {"name": "", "summary": "", "mask_seen": False, "selection_metric": ""}
        return self.model_copy(update=aside) == other.model_copy(update=aside)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that reports show by default."""
        return tuple(f"{kind}@{cutoff}" for kind in ("recall", "ndcg") for cutoff in self.cutoffs)


PROTOCOLS = {
    entry.name: entry
    for entry in (
        Protocol(
            name="loo-50",
            filters=Filters(repeats="keep", k_core=5),
            max_length=50,
            mask_seen=False,
            summary="leave-one-out, 5-core, repeats kept, the latest 50 interactions, history not masked",
        ),
        Protocol(
            name="loo-50-masked",
            filters=Filters(repeats="keep", k_core=5),
            max_length=50,
            mask_seen=True,
            summary="leave-one-out, 5-core, repeats kept, the latest 50 interactions, history masked, "
            "in choosing the epoch too (as eSASRec and BSARec)",
        ),
        Protocol(
            name="loo-50-masked-recall",
            filters=Filters(repeats="keep", k_core=5),
            max_length=50,
            mask_seen=True,
            selection_metric="recall@10",
            summary="leave-one-out, 5-core, repeats kept, the latest 50 interactions, history masked, "
            "the epoch chosen by masked Recall@10 (as the study of eSASRec)",
        ),
        Protocol(
            name="loo-20",
            filters=Filters(repeats="first", k_core=5),
            max_length=20,
            mask_seen=False,
            summary="leave-one-out, the earliest row of a user-item pair, 5-core, "
            "the latest 20 interactions, history not masked (as LARES)",
        ),
        Protocol(
            name="loo-200",
            filters=Filters(repeats="keep", k_core=5),
            max_length=200,
            mask_seen=True,
            summary="leave-one-out, 5-core, the latest 200 interactions, history masked "
            "(the SASRec and HSTU line on MovieLens)",
        ),
        Protocol(
            name="loo-10",
            filters=Filters(repeats="keep", k_core=5),
            max_length=10,
            mask_seen=False,
            cutoffs=(1, 3, 5, 10),
            summary="leave-one-out, 5-core, repeats kept, the latest 10 interactions, history not masked "
            "(for language models, whose prompts list 10 titles)",
        ),
        Protocol(
            name="rows-10",
            filters=Filters(repeats="keep", k_core=0),
            max_length=10,
            mask_seen=False,
            cutoffs=(1, 3, 5, 10),
            summary="leave-one-out, no filter, repeats kept, the latest 10 interactions, history not masked "
            "(for rows with titles, which their authors filtered)",
        ),
        Protocol(
            name="time-50",
            filters=Filters(repeats="first", k_core=5, keep_ratings=True),
            split="time",
            time=TimeSplit(
                rating_above=3,
                least_history=5,
                of_datasets={
                    "amazon-2023-*": {"cuts": [1628643414042, 1658002729837]},
                    "amazon-2023-cds-and-vinyl*": {"least_history": 10},
                },
            ),
            max_length=50,
            mask_seen=False,
            selection_metric="ndcg@20",
            cutoffs=(10, 20),
            summary="global split at two points in time, the earliest row of a user-item pair, 5-core, the "
            "latest 50 interactions, history not masked (as ReaRec). The two points are the official ones of "
            "Amazon 2023, and 80 % and 90 % of all interactions elsewhere. Targets are rated above 3 and "
            "follow at least 5 interactions (CDs: 10); items unseen in training are dropped",
        ),
        Protocol(
            name="llm-time-10",
            filters=Filters(
                repeats="keep", k_core=5, window=Window(first="2017-10", end="2018-11", least_items=5000)
            ),
            split="time",
            time=TimeSplit(known_items=False),
            max_length=10,
            mask_seen=False,
            cutoffs=(1, 3, 5, 10),
            summary="global split after 80 % and 90 % of all interactions, 5-core, the latest 10 "
            "interactions, history not masked (as LatentR3, which also leaves out long titles). The data is "
            "from October 2017 to October 2018. It begins three months earlier at a time until the 5-core "
            "has 5,000 items",
        ),
        Protocol(
            name="shared-merge",
            filters=Filters(repeats="keep", k_core=5),
            split="shared-accounts",
            accounts=Accounts(),
            max_length=100,
            mask_seen=False,
            summary="users merged into accounts, 5-core, repeats kept, the latest 50 interactions per "
            "member, history not masked. An account has two members at random, unless [accounts] of the "
            "suite says otherwise. The last two interactions of each member or account are held out",
        ),
        Protocol(
            name="shared-rows",
            filters=Filters(repeats="keep", k_core=0),
            split="account-rows",
            account_rows=AccountRows(disjoint=False),
            max_length=50,
            mask_seen=False,
            summary="rows of accounts as published, history not masked. Test has a random 20 % of the rows; "
            "validation has the other rows of 10 % of the accounts. The last item of a row is its target and "
            "no part of the input. Rows of one account are on both sides: for parity only",
        ),
        Protocol(
            name="shared-rows-disjoint",
            filters=Filters(repeats="keep", k_core=0),
            split="account-rows",
            account_rows=AccountRows(disjoint=True, test_share=0.1),
            max_length=50,
            mask_seen=False,
            summary="rows of accounts, with all rows of an account on one side, history not masked. 80 % of "
            "the accounts train, 10 % validate and 10 % test. Validation and test have the longest row of "
            "each account. The last item of a row is its target and no part of the input",
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """Return the protocol of that name.

    Raises:
        RequestError: no protocol has that name.
    """
    if name not in PROTOCOLS:
        raise RequestError(f'There is no protocol "{name}".', did_you_mean(name, PROTOCOLS))
    return PROTOCOLS[name]
