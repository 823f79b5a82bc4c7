"""Orders that wait to begin, and which of them may begin now."""

import math
import time
from collections.abc import Callable, Sequence

from lrbench.config.tuning import SearchConfig
from lrbench.execution.order import TrialOrder

__all__ = ["WaitingOrders"]

RETRY_SECONDS = 1.0
"""How many seconds an order waits that another process works on, before it is tried again."""


class WaitingOrders:
    """The orders of a run that have not begun.

    An order is held back while an earlier order is unfinished and trains stages that it will reuse. An order
    that another process works on is put back for a moment. Among orders that may begin, trials come before
    searches, so that a tuned row is complete before the search of a later row begins. Among trials, and among
    searches, the longest comes first, so that no long one begins when all others are done.

    Args:
        orders: the earlier ones begin first if nothing is known about their costs.
        seconds: returns the expected seconds of an order; ``None``: unknown, which counts as the longest.
    """

    def __init__(
        self,
        orders: Sequence[TrialOrder],
        seconds: Callable[[TrialOrder], float | None] = lambda order: None,
    ) -> None:
        self._seconds = seconds
        self._orders: list[TrialOrder] = []
        self._position: dict[str, int] = {}  # id → place in the list of orders
        self._training: list[tuple[str, ...]] = []
        self._waiting: list[int] = []
        self._unfinished: set[int] = set()
        self._retry_at: dict[int, float] = {}
        self._by_training: dict[str, list[int]] = {}
        self.add(orders)

    def __len__(self) -> int:
        """Return how many orders have not begun."""
        return len(self._waiting)

    def add(self, orders: Sequence[TrialOrder]) -> None:
        """Add orders after those that are there."""
        for position, order in enumerate(orders, len(self._orders)):
            ids = order.config.training_ids
            self._orders.append(order)
            self._position[order.config.id] = position
            self._training.append(ids)
            self._waiting.append(position)
            self._unfinished.add(position)
            self._by_training.setdefault(ids[-1], []).append(position)

    def free(self) -> list[TrialOrder]:
        """Return the orders that may begin now: trials, then searches, of each the longest first."""
        now = time.monotonic()
        free = [
            place for place in self._waiting if self._retry_at.get(place, 0.0) <= now and self._free(place)
        ]
        return [self._orders[place] for place in sorted(free, key=self._turn)]

    def begin(self, order: TrialOrder) -> None:
        """Note that an order has begun."""
        self._waiting.remove(self._position[order.config.id])

    def put_back(self, order: TrialOrder, wait: bool) -> bool:
        """Let an order begin again later, and return whether this is the first time.

        Args:
            order: an order that has begun; what it says now replaces what it said before.
            wait: try it again only after a moment, since another process works on it.
        """
        position = self._position[order.config.id]
        first = position not in self._retry_at
        self._orders[position] = order
        self._retry_at[position] = time.monotonic() + RETRY_SECONDS * wait
        self._waiting.append(position)
        return first

    def finish(self, order: TrialOrder) -> None:
        """Note that an order is done or has failed. Orders that wait for it may then begin."""
        self._unfinished.discard(self._position[order.config.id])

    def close(self) -> None:
        """Drop all orders that wait."""
        self._waiting.clear()

    def _turn(self, position: int) -> tuple[bool, float, int]:
        """Return a key that sorts orders by their turn."""
        order = self._orders[position]
        seconds = self._seconds(order)
        shortness = -math.inf if seconds is None else -seconds
        return isinstance(order.config, SearchConfig), shortness, position

    def _free(self, position: int) -> bool:
        """Whether all earlier orders that train a stage of this one are finished."""
        return not any(
            other < position and other in self._unfinished
            for training_id in self._training[position]
            for other in self._by_training.get(training_id, ())
        )
