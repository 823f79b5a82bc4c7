"""Steps that are recorded once on the device and then replayed: the host starts one graph, not each kernel.

A recorded step reads and writes fixed addresses in memory. Before a replay the batch is copied to the
addresses of the batch that was recorded. There is therefore one recorded step for each shape of a batch, and
batches are filled up to few shapes (:mod:`lrbench.data.rungs`). The first batch of a shape takes an ordinary
step, in which libraries set themselves up. The step of the second batch is recorded.
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
"""Takes a step and records it. Returns its loss terms, which a replay overwrites, and a function that replays
the step."""

_MOST = 64
"""How many shapes are recorded at most. Batches of further shapes take ordinary steps."""


def record_on(device: torch.device) -> Record:
    """Return a function that records steps as CUDA graphs.

    The graphs share their memory, so only one of them may run at a time.

    Raises:
        RequestError: the device cannot record steps.
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
        graph.replay()  # recording alone does not run the step
        return terms, graph.replay

    return record


class RecordedSteps:
    """Takes the steps of one stage, and records and replays those of frequent shapes.

    Args:
        step: takes ordinary steps.
        record: records a step.
    """

    def __init__(self, step: GradientStep, record: Record) -> None:
        self._step = step
        self._record = record
        self._met: set[Hashable] = set()  # shapes that took an ordinary step
        self._recorded: dict[Hashable, _Recorded] = {}

    @property
    def shapes(self) -> int:
        """Number of shapes that are recorded."""
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
    """A recorded step.

    Args:
        batch: the batch that was recorded. The step reads its tensors.
        terms: the loss terms, which a replay overwrites.
        replay: runs the step again.
    """

    def __init__(self, batch: TrainingBatch, terms: Terms, replay: Callable[[], None]) -> None:
        self._places = _tensors(batch)
        self._terms = terms
        self._replay = replay

    def replay(self, batch: TrainingBatch) -> Terms:
        """Take the step on another batch of the same shape, and return copies of its loss terms."""
        torch._foreach_copy_(self._places, _tensors(batch), non_blocking=True)
        self._replay()
        return {name: term.clone() for name, term in self._terms.items()}


def _tensors(batch: TrainingBatch) -> tuple[Tensor, ...]:
    """Return the tensors of a batch in the order of its fields."""
    return tuple(part for part in _parts(batch) if isinstance(part, Tensor))


def _shape(batch: TrainingBatch) -> tuple[Hashable, ...]:
    """Return everything of a batch on which a step may depend, except the values in its tensors."""
    return tuple(
        part.shape if isinstance(part, Tensor) else part
        for part in _parts(batch)
        if isinstance(part, Tensor | bool | int | None)
    )


def _parts(value: Any) -> Iterator[Any]:
    """Yield the values of a batch's fields, and those of the fields of its parts."""
    if isinstance(value, tuple):
        for entry in value:
            yield from _parts(entry)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    else:
        yield value
