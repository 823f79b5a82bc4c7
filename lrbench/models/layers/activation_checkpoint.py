"""Activation checkpointing: parts of a network that the backward pass recomputes instead of storing.

``torch.utils.checkpoint`` does the same, but imports torch's compiler. That costs every process about 70 MB
and two seconds.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["recomputed"]


def recomputed(function: Callable[..., Tensor], module: nn.Module, *inputs: Tensor) -> Tensor:
    """Apply ``function`` to ``inputs``, and store only these for the backward pass.

    On an accelerator the function is applied as usual: memory is larger there, and draws have another source.

    Args:
        function: takes the inputs. It may draw from torch's default generator; the recomputation draws the
            same.
        module: holds all parameters that the function uses, at least one.
        inputs: floating-point tensors of any shape, if the function takes any.

    Returns:
        What the function returns.
    """
    parameters = list(module.parameters())
    if not torch.is_grad_enabled() or parameters[0].device.type != "cpu":
        return function(*inputs)
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    return _Recomputed.apply(function, len(inputs), *inputs, *parameters)  # type: ignore[no-untyped-call]


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: Callable[..., Tensor], count: int, *tensors: Tensor) -> Tensor:
        ctx.function, ctx.count, ctx.draws = function, count, torch.get_rng_state()
        ctx.save_for_backward(*tensors)
        return function(*tensors[:count])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs = [tensor.detach().requires_grad_() for tensor in ctx.saved_tensors[: ctx.count]]
        parameters = ctx.saved_tensors[ctx.count :]
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.set_rng_state(ctx.draws)
            output = ctx.function(*inputs)
        return None, None, *torch.autograd.grad(output, (*inputs, *parameters), gradient, allow_unused=True)
