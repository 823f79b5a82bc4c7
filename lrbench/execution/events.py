"""What a worker reports while it works, as one JSON line each."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter

from lrbench.config.base import FrozenConfig
from lrbench.text import encodable
from lrbench.training.news import EpochDone

__all__ = [
    "LAST_EVENTS",
    "Event",
    "TrialBusy",
    "TrialDied",
    "TrialDone",
    "TrialFailed",
    "TrialNote",
    "TrialStarted",
    "TrialStopped",
    "parse_event",
]


Told = Annotated[str, BeforeValidator(encodable)]
"""What an error, a library or the system said, and names of files."""


class TrialStarted(FrozenConfig):
    """A worker has begun to train a trial, or goes on with it."""

    kind: Literal["started"] = "started"
    trial: str
    device: str
    device_bytes: int | None = None
    """Memory of its GPU, of several the smallest one's. ``None``: it runs on the CPU."""


class TrialDone(FrozenConfig):
    """The trial or search is complete."""

    kind: Literal["done"] = "done"
    trial: str
    seconds: float
    metrics: dict[str, float]
    """Of a trial: headline validation metrics at the reported depth. Of a search: its best value. Test
    metrics are shown by reports alone."""

    found: bool = False
    """Whether another process had completed it in the meantime."""


class TrialFailed(FrozenConfig):
    """The trial failed."""

    raw_text = frozenset({"reason", "error_file"})

    kind: Literal["failed"] = "failed"
    trial: str
    reason: Told
    error_file: Told | None
    """The file with the traceback; ``None`` if it could not be written. ``reason`` then says so."""


class TrialBusy(FrozenConfig):
    """Another process works on the trial, or trains stages that the trial will reuse."""

    kind: Literal["busy"] = "busy"
    trial: str
    reason: Told


class TrialNote(FrozenConfig):
    """A sentence about the trial that the user should read."""

    raw_text = frozenset({"text"})

    kind: Literal["note"] = "note"
    trial: str
    text: Told


class TrialDied(FrozenConfig):
    """The process that worked on the trial ended without a result; the checkpoint stays."""

    raw_text = frozenset({"reason", "details"})

    kind: Literal["died"] = "died"
    trial: str
    reason: Told
    details: Told = ""
    """What the process last wrote to standard error."""

    out_of_memory: bool = False
    relief: str = ""
    """How the next attempt gets more memory, such as ``on another GPU``. Empty: it gets no more."""

    final: bool = False
    """Whether another attempt would end in the same way."""


class TrialStopped(FrozenConfig):
    """The trial was asked to stop, and did so after a checkpoint."""

    kind: Literal["stopped"] = "stopped"
    trial: str


Event = TrialStarted | EpochDone | TrialDone | TrialFailed | TrialBusy | TrialNote | TrialDied | TrialStopped
LAST_EVENTS = TrialDone | TrialFailed | TrialBusy | TrialDied | TrialStopped
"""Events after which nobody works on the order any more."""

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def parse_event(line: str | bytes) -> Event:
    """Read an event from one line of a worker.

    Raises:
        ValueError: the line is no event.
    """
    return _ADAPTER.validate_json(line)
