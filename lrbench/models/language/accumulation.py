"""Gradients of a batch that is too large for one pass, added up part by part.

The parts of a batch are differentiated one after the other, so that memory holds the graph of one part. The
result is a loss like any other: differentiating it gives the sums.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["accumulated"]


class _Replay(torch.autograd.Function):
    """A loss whose gradients are known."""

    @staticmethod
    def forward(context: Any, value: Tensor, count: int, *tensors: Tensor) -> Tensor:
        """Keep the gradients, which are the first ``count`` tensors; the others are the parameters."""
        context.save_for_backward(*tensors[:count])
        return value.clone()

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        """Return the kept gradients for the parameters."""
        kept = context.saved_tensors
        return (None, None, *(None for _ in kept), *(outer[0] * gradient for gradient in kept))


def accumulated(parts: Iterable[Callable[[], Tensor]], parameters: Sequence[nn.Parameter]) -> Tensor:
    """Sum the losses of parts, (), differentiable with respect to the parameters alone.

    Args:
        parts: each computes its share of the loss, ().
        parameters: those that are trained.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    total: Tensor | None = None
    sums: list[Tensor | None] = [None] * len(trained)
    for part in parts:
        loss = part()
        total = loss.detach() if total is None else total + loss.detach()
        gradients = torch.autograd.grad(loss, trained, allow_unused=True)
        for place, gradient in enumerate(gradients):
            if gradient is not None:
                known = sums[place]
                sums[place] = gradient if known is None else known + gradient
    if total is None:
        raise ValueError("a batch without parts has no loss")
    moved = [(sums[place], trained[place]) for place in range(len(trained)) if sums[place] is not None]
    replayed: Tensor = _Replay.apply(  # type: ignore[no-untyped-call]
        total, len(moved), *(gradient for gradient, _ in moved), *(parameter for _, parameter in moved)
    )
    return replayed
