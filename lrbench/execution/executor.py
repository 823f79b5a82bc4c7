"""What every place that runs trials offers to the scheduler: submit an order, poll for news."""

from collections.abc import Sequence
from typing import Protocol

from lrbench.execution.events import Event
from lrbench.execution.order import TrialOrder

__all__ = ["Executor"]


class Executor(Protocol):
    """Runs orders somewhere: on this machine, on a Ray cluster or under Slurm."""

    @property
    def full(self) -> bool:
        """Whether no order can be taken now, whichever it is."""

    @property
    def fault(self) -> str | None:
        """Why no further order can ever be taken, as the end of a sentence; ``None`` while orders can be."""

    def submit(self, order: TrialOrder) -> bool:
        """Take an order, or return ``False`` where there is no room for it now."""

    def poll(self) -> Sequence[Event]:
        """Return what happened since the last call; wait a moment, below a second, if nothing did.

        Every order that was taken ends with one of the events of
        :data:`lrbench.execution.events.LAST_EVENTS`.
        """

    def stop(self) -> None:
        """Ask all trials to end after their next checkpoint. They then report that they stopped."""

    def close(self) -> None:
        """End at once what depends on this process, and free all that was taken."""
