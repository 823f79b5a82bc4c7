"""Records the operations of a step and replays them as a graph on an accelerator does, on any device.

A recorded operation reads and writes the tensors that it met when it was recorded, and gets the same numbers
of the host. So a step that depends on the host's numbers, or on new tensors, replays with wrong results.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lrbench.models.base import Terms

__all__ = ["Recorder", "record"]


class Recorder(TorchDispatchMode):
    """Records all operations but views, whose results share memory with what they view."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not func.is_view:
            self.operations.append((func, args, kwargs, result))
        return result

    def replay(self) -> None:
        """Run the operations again, each into the tensors of its results."""
        with torch.no_grad():
            for func, args, kwargs, result in self.operations:
                again = func(*args, **kwargs)
                for place, value in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(place, Tensor) and place is not value:
                        place.copy_(value)


def record(step: Callable[[], Terms]) -> tuple[Terms, Callable[[], None]]:
    """Take a step once and record it."""
    with Recorder() as recorder:
        terms = step()
    return terms, recorder.replay
