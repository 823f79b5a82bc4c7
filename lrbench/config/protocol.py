"""Protocols: frozen, named sets of choices. A result is only ever compared within one protocol."""

from typing import Any, Literal

from pydantic import Field

from lrbench.config.base import FrozenConfig
from lrbench.errors import RequestError, did_you_mean

__all__ = ["PROTOCOLS", "Filters", "Protocol", "find_protocol"]


class Filters(FrozenConfig):
    """What preparation removes before users and items are numbered."""

    min_rating: float | None = None
    """Keep interactions with at least this rating; `None`: every rating counts as positive."""

    repeats: Literal["keep", "first"] = "keep"
    """Repeated (user, item) rows: keep them all, or only the earliest."""

    k_core: int = Field(default=5, ge=0)
    """Iterate to a fixed point until every user and every item has this many rows; 0: no filter."""


class Protocol(FrozenConfig):
    """Every choice that two comparable results must share."""

    name: str
    """The name that suites use."""

    filters: Filters
    """What preparation removes."""

    split: Literal["leave-one-out"] = "leave-one-out"
    """The last interaction of a user is the test target, the one before it the validation target."""

    max_length: int = Field(ge=1)
    """How many of the latest interactions a model sees."""

    mask_seen: bool
    """Whether headline ranks leave out the items of the user's history; the other kind is stored too."""

    ties: Literal["stable-time-then-file-order"] = "stable-time-then-file-order"
    """Order of a user's interactions at equal times; metrics average over the order of equal scores."""

    selection_metric: str = "ndcg@10"
    """The validation metric that early stopping watches."""

    cutoffs: tuple[int, ...] = (5, 10, 20)
    """The K of Recall@K and NDCG@K."""

    summary: str
    """One sentence for listings and captions. It is no part of a trial's id."""

    @property
    def identity(self) -> dict[str, Any]:
        """What shapes results: every field except the sentence for readers."""
        return self.model_dump(mode="json", exclude={"summary"})

    def ranks_alike(self, other: "Protocol") -> bool:
        """Whether both give the same ranks of a trained model, however its epoch was chosen.

        Ranks of both kinds are stored, the history left out or not.
        """
        aside = {"name": "", "summary": "", "mask_seen": False, "selection_metric": ""}
        return self.model_copy(update=aside) == other.model_copy(update=aside)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that reports show unless told otherwise."""
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
