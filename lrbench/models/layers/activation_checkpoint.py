"""Parts of a network whose inside is computed anew in the backward pass instead of being kept until then.

torch has the same, which imports its compiler, some 70 MB and two seconds of every process.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["recomputed"]


def recomputed(function: Callable[..., Tensor], module: nn.Module, *inputs: Tensor) -> Tensor:
    """Apply ``function`` to ``inputs``, keeping nothing but these.

    On an accelerator, whose memory is larger and whose draws have another source, it is merely applied.

    Args:
        function: of tensors; may draw from torch's default generator, and draws the same again.
        module: holds all parameters that it uses.
        inputs: floating-point tensors.
    """
    if not torch.is_grad_enabled() or inputs[0].device.type != "cpu":
        return function(*inputs)
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
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
