"""The feed-forward part of a Transformer block, with activation checkpointing for many tokens.

The hidden layer is usually four times as wide as a state. Autograd would store it before and after the GELU.
That would be half of the memory of a training step. On the CPU, above 1,024 tokens, the backward pass
recomputes it instead, piece by piece. Measured at width 64 on one core:

  tokens  stored   recomputed
  1,800   5.8 ms   6.9 ms
  6,000   22.2 ms  22.2 ms

Recomputing is free at 6,000 tokens, because a stored hidden layer no longer fits the processor's cache.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lrbench.data.packing import Packed
from lrbench.models.layers.layer import Layer

__all__ = ["FeedForward", "gelu"]

_FEW_TOKENS = 1024  # the hidden layer of up to this many tokens is stored
_PIECE = 512  # tokens in a piece, where it is not stored


class FeedForward(Layer):
    """Two linear layers with an exact GELU between them, on each token alone.

    Args:
        width: of the states.
        inner: width of the hidden layer.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, inner)
        self.contract = nn.Linear(inner, width)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(…, width) → (…, width)."""
        contracted: Tensor
        if hidden.device.type != "cpu" or hidden.shape[:-1].numel() <= _FEW_TOKENS:
            contracted = self.contract(gelu(self.expand(hidden)))
            return contracted
        expand, contract = self.expand, self.contract
        contracted = _InPieces.apply(  # type: ignore[no-untyped-call]
            hidden.flatten(0, -2), expand.weight, expand.bias, contract.weight, contract.bias
        )
        return contracted.view(hidden.shape)


def gelu(hidden: Tensor) -> Tensor:
    """Exact GELU, (…, width).

    For contiguous tensors on the CPU torch calls oneDNN. That library compiles a kernel for every number of
    tokens. It keeps a thousand of them, about two gigabytes. Transposed tensors use torch's own kernel.
    """
    return F.gelu(hidden.transpose(0, -1)).transpose(0, -1)


class _InPieces(torch.autograd.Function):
    """``gelu(x W₁ᵀ + b₁) W₂ᵀ + b₂``, (tokens, width), which stores only x."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, expand: Tensor, expand_bias: Tensor, contract: Tensor, contract_bias: Tensor
    ) -> Tensor:
        ctx.save_for_backward(hidden, expand, expand_bias, contract)
        contracted = torch.empty_like(hidden)
        for piece, out in zip(torch.split(hidden, _PIECE), torch.split(contracted, _PIECE), strict=True):
            inner = gelu(torch.addmm(expand_bias, piece, expand.T))  # (piece, inner)
            torch.addmm(contract_bias, inner, contract.T, out=out)
        return contracted

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        hidden, expand, expand_bias, contract = ctx.saved_tensors
        hidden_gradient = torch.empty_like(hidden)
        expand_gradient, bias_gradient, contract_gradient = map(
            torch.zeros_like, (expand, expand_bias, contract)
        )
        pieces = (torch.split(tensor, _PIECE) for tensor in (hidden, gradient, hidden_gradient))
        for piece, output_gradient, out in zip(*pieces, strict=True):
            expanded = torch.addmm(expand_bias, piece, expand.T)  # (piece, inner)
            contract_gradient.addmm_(output_gradient.T, gelu(expanded))
            inner_gradient = (output_gradient @ contract).T  # (inner, piece), transposed as in gelu
            expanded_gradient = torch.ops.aten.gelu_backward(inner_gradient, expanded.T).T  # (piece, inner)
            expand_gradient.addmm_(expanded_gradient.T, piece)
            bias_gradient += expanded_gradient.sum(0)
            torch.mm(expanded_gradient, expand, out=out)
        return hidden_gradient, expand_gradient, bias_gradient, contract_gradient, gradient.sum(0)
