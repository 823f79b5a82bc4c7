"""Draws that a training step makes once for its whole batch, where several processes share the batch."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["BatchDraws"]


class BatchDraws:
    """Seeds such draws, so that all processes draw the same.

    Args:
        seeds: gives a seed for each draw. It must be in the same state in all processes.
        device: where the model is.
    """

    def __init__(self, seeds: np.random.Generator, device: torch.device) -> None:
        self._seeds = seeds
        self._devices = [device] if device.type == "cuda" else []

    @contextmanager
    def alike(self) -> Iterator[None]:
        """Seed torch for the block. After it each process goes on with its own draws."""
        with torch.random.fork_rng(self._devices):
            torch.manual_seed(int(self._seeds.integers(1 << 63)))
            yield
