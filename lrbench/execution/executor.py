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
        """Whether no order at all can be taken now."""

    @property
    def fault(self) -> str | None:
        """Why no order can ever be taken again, as the end of a sentence; ``None`` if orders can be taken."""

    def submit(self, order: TrialOrder) -> bool:
        """Take an order and return ``True``; return ``False`` if there is no room for it now."""

    def poll(self) -> Sequence[Event]:
        """Return what happened since the last call. If nothing did, wait less than a second.

        Every order that was taken ends with one of the events of
        :data:`lrbench.execution.events.LAST_EVENTS`.
        """

    def stop(self) -> None:
        """Ask all trials to end after their next checkpoint. They then report that they stopped.

        Raises:
            KeyboardInterrupt: the trials go on without this process, so that there is nothing to wait for.
        """

    def close(self) -> None:
        """End at once the trials that depend on this process, and release its resources."""
