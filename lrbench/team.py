"""The processes that work on one trial together: which part each takes, and sums over all of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.arrays import Int64s

__all__ = ["ALONE", "Team"]


@dataclass(frozen=True)
class Team:
    """The number of this process among the processes of a trial.

    All processes must call :meth:`summed` in the same order. It waits for the others.
    """

    number: int = 0
    """From 0. Process 0 alone writes files of the trial."""

    count: int = 1
    """How many processes there are."""

    def part(self, places: Int64s) -> Int64s:
        """Return this process's part of an array, (n,). Parts are consecutive and about equally long."""
        return np.array_split(places, self.count)[self.number]

    def summed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sums of all processes' values, element by element, any shape."""
        if self.count == 1:
            return values
        import torch  # noqa: PLC0415 - rooms that never load torch may import this file
        import torch.distributed as processes  # noqa: PLC0415

        total = torch.from_numpy(values.copy())
        processes.all_reduce(total)
        return total.numpy()


ALONE = Team()
"""The team of a process that works on its trial alone."""
