"""The message that training sends after each epoch."""

from typing import Literal

from lrbench.config.base import FrozenConfig

__all__ = ["EpochDone"]


class EpochDone(FrozenConfig):
    """An epoch has ended. Worker processes send it as a line of JSON."""

    kind: Literal["epoch"] = "epoch"
    trial: str
    """The trial's id."""

    stage: str
    """Name of the stage."""

    epoch: int
    """Number of the epoch in its stage, from 1."""

    max_epochs: int
    loss: float
    """Mean over the epoch."""

    metric: float | None
    """The selection metric on validation. ``None`` in an epoch without validation."""

    best_metric: float | None
    """The best one in this stage so far."""

    validations_left: int
    """How many more validations without a gain end the stage."""

    seconds: float
    """Time of this epoch with its validation."""
