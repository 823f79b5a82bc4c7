"""Steps that are recorded once on the device and then replayed: the host starts one graph, not each kernel.

A recorded step reads and writes fixed places in memory. Before a replay the batch is copied to the places
of the batch that was recorded. A step is therefore recorded for each shape of a batch, and batches are filled
up to few shapes (:mod:`lrbench.data.rungs`). The first batch of a shape takes an ordinary step, in which
libraries prepare what they need. The second one is recorded.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.errors import RequestError
from lrbench.models.base import Terms
from lrbench.training.step import GradientStep

__all__ = ["Record", "RecordedSteps", "record_on"]

Record = Callable[[Callable[[], Terms]], tuple[Terms, Callable[[], None]]]
"""Takes a step once and records it. Returns the places of its terms, and what takes the step again."""

_MOST = 64
"""Most shapes that are recorded. Batches of further shapes take ordinary steps."""


def record_on(device: torch.device) -> Record:
    """Record CUDA graphs that share their memory. Only one of them runs at a time.

    Raises:
        RequestError: the device records no steps.
    """
    if device.type != "cuda":
        raise RequestError(
            "[training] graph = true records steps on a GPU, and the trial runs on the CPU.",
            "Leave graph out, or run with --gpus 0.",
        )
    pool = torch.cuda.graph_pool_handle()

    def record(step: Callable[[], Terms]) -> tuple[Terms, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            terms = step()
        graph.replay()  # what was recorded has not run yet
        return terms, graph.replay

    return record


class RecordedSteps:
    """Takes the steps of one stage.

    Args:
        step: takes ordinary steps.
        record: records one.
    """

    def __init__(self, step: GradientStep, record: Record) -> None:
        self._step = step
        self._record = record
        self._met: set[Hashable] = set()  # shapes
        self._recorded: dict[Hashable, _Recorded] = {}

    @property
    def shapes(self) -> int:
        """How many shapes are recorded."""
        return len(self._recorded)

    def take(self, batch: TrainingBatch) -> Terms:
        """Take one step and return its loss terms, which pass no gradient."""
        shape = self._step.stage.phase(), *_shape(batch)
        if (known := self._recorded.get(shape)) is not None:
            return known.replay(batch)
        if shape not in self._met or len(self._recorded) == _MOST:
            self._met.add(shape)
            return self._once(batch)
        terms, replay = self._record(lambda: self._once(batch))
        self._recorded[shape] = _Recorded(batch, terms, replay)
        return {name: term.clone() for name, term in terms.items()}

    def _once(self, batch: TrainingBatch) -> Terms:
        terms = self._step.losses(batch)
        self._step.follow(terms)
        return {name: term.detach() for name, term in terms.items()}


class _Recorded:
    """A recorded step, with the batch whose places in memory it reads, and the places of its terms."""

    def __init__(self, batch: TrainingBatch, terms: Terms, replay: Callable[[], None]) -> None:
        self._places = _tensors(batch)
        self._terms = terms
        self._replay = replay

    def replay(self, batch: TrainingBatch) -> Terms:
        torch._foreach_copy_(self._places, _tensors(batch), non_blocking=True)
        self._replay()
        return {name: term.clone() for name, term in self._terms.items()}


def _tensors(batch: TrainingBatch) -> tuple[Tensor, ...]:
    """Return the tensors of a batch in the order of its fields."""
    return tuple(part for part in _parts(batch) if isinstance(part, Tensor))


def _shape(batch: TrainingBatch) -> tuple[Hashable, ...]:
    """Return what a step on a batch may depend on besides the values of its tensors."""
    return tuple(
        part.shape if isinstance(part, Tensor) else part
        for part in _parts(batch)
        if isinstance(part, Tensor | bool | int | None)
    )


def _parts(value: Any) -> Iterator[Any]:
    """Yield what a batch holds in its fields, and in those of its parts."""
    if isinstance(value, tuple):
        for entry in value:
            yield from _parts(entry)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    else:
        yield value
