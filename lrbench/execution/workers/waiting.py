"""Orders that wait for a free slot, and which of them may begin."""

import threading
import time
from collections.abc import Sequence

from lrbench.execution.trial import TrialOrder

__all__ = ["WaitingOrders"]

RETRY_SECONDS = 1.0
"""How long an order on which another process works is left alone before it is tried again."""


class WaitingOrders:
    """A queue that several threads share.

    An order is held back while an earlier one is unfinished that trains stages which it will reuse. An
    order that another process works on is put back, and those that are free come first.

    Args:
        orders: in the order in which they begin if all are free.
    """

    def __init__(self, orders: Sequence[TrialOrder]) -> None:
        self._changed = threading.Condition()
        self._orders = list(orders)
        self._position = {order.config.id: position for position, order in enumerate(orders)}
        self._training = [order.config.training_ids for order in orders]
        self._waiting = list(range(len(orders)))  # positions in the list of orders
        self._unfinished = set(self._waiting)
        self._retry_at: dict[int, float] = {}
        self._by_training: dict[str, list[int]] = {}
        for position, ids in enumerate(self._training):
            self._by_training.setdefault(ids[-1], []).append(position)

    def __len__(self) -> int:
        """Return how many orders have not begun."""
        return len(self._waiting)

    def take(self) -> TrialOrder | None:
        """Wait for an order that may begin, and return it; ``None`` if no order is left."""
        with self._changed:
            while self._waiting:
                now = time.monotonic()
                position = min(
                    (position for position in self._waiting if self._free(position)),
                    key=lambda position: (self._retry_at.get(position, 0.0) > now, position),
                    default=None,
                )
                if position is None:
                    self._changed.wait()
                elif (wait := self._retry_at.get(position, 0.0) - now) > 0:
                    self._changed.wait(wait)
                else:
                    self._waiting.remove(position)
                    return self._orders[position]
            return None

    def put_back(self, order: TrialOrder) -> bool:
        """Let an order on which another process works wait; return whether this is the first time."""
        with self._changed:
            position = self._position[order.config.id]
            first = position not in self._retry_at
            self._retry_at[position] = time.monotonic() + RETRY_SECONDS
            self._waiting.append(position)
            self._changed.notify_all()
            return first

    def finish(self, order: TrialOrder) -> None:
        """Say that an order is done or has failed, so that those that wait for it may begin."""
        with self._changed:
            self._unfinished.discard(self._position[order.config.id])
            self._changed.notify_all()

    def close(self) -> None:
        """Drop all orders that wait."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def _free(self, position: int) -> bool:
        """Whether no earlier order is unfinished that trains a stage of this one."""
        return not any(
            other < position and other in self._unfinished
            for training_id in self._training[position]
            for other in self._by_training.get(training_id, ())
        )
