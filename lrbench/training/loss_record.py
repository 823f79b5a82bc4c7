"""The loss terms of an epoch. Each reading waits for the device, so several steps are read at once."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lrbench.errors import SettingsError

__all__ = ["LossRecord"]


class LossRecord:
    """Collects the loss terms of steps on the device, and reads those of several steps in one transfer.

    Args:
        where: names stage and epoch in messages.
        last: loss terms of the step before the first one. Empty if there is none.
    """

    def __init__(self, where: str, last: Mapping[str, float]) -> None:
        self.last: Mapping[str, float] = last
        """Terms of the last step that was read."""
        self.steps = 0
        """Number of steps that were added."""
        self._where = where
        self._unread: list[tuple[dict[str, Tensor], int]] = []  # terms and targets of each step
        self._sums: dict[str, float] = {}
        self._weights: dict[str, int] = {}  # targets by term, since a term may be absent from some steps

    def add(self, terms: Mapping[str, Tensor], targets: int) -> None:
        """Add a step without waiting for the device.

        Args:
            terms: scalars by name. They must keep their values until they are read.
            targets: number of targets over which the terms are means.
        """
        self.steps += 1
        self._unread.append(({name: term.detach() for name, term in terms.items()}, targets))

    def read(self) -> None:
        """Read the steps that were added since the last read.

        Raises:
            SettingsError: a loss is NaN or infinite. The message names the step and the last finite values.
        """
        if not self._unread:
            return
        numbers = iter(
            torch.stack([each.float() for terms, _ in self._unread for each in terms.values()]).tolist()
        )
        first = self.steps - len(self._unread) + 1
        for step, (terms, targets) in enumerate(self._unread, first):
            values = {name: next(numbers) for name in terms}
            if not math.isfinite(values["loss"]):
                raise SettingsError(
                    f"The loss became {values['loss']} in {self._where}, at step {step} of the epoch; "
                    f"the last finite values were {dict(self.last) or 'none'}.",
                    "Lower the learning rate or set gradient_clip.",
                )
            for name, value in values.items():
                self._sums[name] = self._sums.get(name, 0.0) + value * targets
                self._weights[name] = self._weights.get(name, 0) + targets
            self.last = values
        self._unread.clear()

    def means(self) -> dict[str, float]:
        """Return the mean of each term over the steps that were read, weighted by targets."""
        return {name: total / self._weights[name] for name, total in self._sums.items()}
