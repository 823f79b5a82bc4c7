"""What a worker reports while it works, as one JSON line each."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from lrbench.config.base import FrozenConfig

__all__ = ["EpochDone", "Event", "TrialDone", "TrialFailed", "TrialStarted", "parse_event"]


class TrialStarted(FrozenConfig):
    """A worker has taken up a trial."""

    kind: Literal["started"] = "started"
    trial: str
    device: str


class EpochDone(FrozenConfig):
    """An epoch has ended."""

    kind: Literal["epoch"] = "epoch"
    trial: str
    stage: str
    epoch: int
    max_epochs: int
    loss: float
    metric: float | None
    best_metric: float | None
    validations_left: int
    seconds: float


class TrialDone(FrozenConfig):
    """The trial's folder is complete."""

    kind: Literal["done"] = "done"
    trial: str
    seconds: float
    metrics: dict[str, float]
    """Headline test metrics at the reported depth."""

    found: bool = False
    """Whether another process had completed it in the meantime."""


class TrialFailed(FrozenConfig):
    """The trial failed; ``error_file`` has the traceback."""

    raw_text = frozenset({"reason", "error_file"})

    kind: Literal["failed"] = "failed"
    trial: str
    reason: str
    error_file: str


Event = TrialStarted | EpochDone | TrialDone | TrialFailed
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def parse_event(line: str | bytes) -> Event:
    """Read one line of a worker."""
    return _ADAPTER.validate_json(line)
