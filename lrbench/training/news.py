"""What training tells whoever watches."""

from typing import Literal

from lrbench.config.base import FrozenConfig

__all__ = ["EpochDone"]


class EpochDone(FrozenConfig):
    """An epoch has ended. Workers send it as a line of JSON."""

    kind: Literal["epoch"] = "epoch"
    trial: str
    stage: str
    epoch: int
    max_epochs: int
    loss: float
    metric: float | None
    """The selection metric on validation; ``None`` in an epoch without validation."""

    best_metric: float | None
    validations_left: int
    """Validations without a gain after which patience ends."""

    seconds: float
    """Time of this epoch with its validation."""
