"""Gradient accumulation: a batch that is too large for one pass is differentiated part by part.

Memory then holds the autograd graph of one part alone. The result is a loss like any other. Its backward pass
returns the sums of the gradients of all parts.
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
        """Keep the first ``count`` tensors, which are gradients. The others are their parameters."""
        context.save_for_backward(*tensors[:count])
        return value.clone()

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        """Return the kept gradients for the parameters."""
        kept = context.saved_tensors
        return (None, None, *(None for _ in kept), *(outer[0] * gradient for gradient in kept))


def accumulated(parts: Iterable[Callable[[], Tensor]], parameters: Sequence[nn.Parameter]) -> Tensor:
    """Sum the losses of parts, a scalar, differentiable with respect to the parameters alone.

    Args:
        parts: functions that compute their shares of the loss, a scalar each.
        parameters: those of the model. Only those that require gradients get some.

    Raises:
        ValueError: there is no part.
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
