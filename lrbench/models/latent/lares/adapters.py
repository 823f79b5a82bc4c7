"""Adapters of LARES: how a step joins the state T of the step before with the pre-block's output H."""

import torch
from torch import Tensor, nn

from lrbench.models.latent.lares.config import Adapter

__all__ = ["make_adapter"]


def make_adapter(kind: Adapter, width: int) -> nn.Module:
    """Make the adapter of a kind. It takes T and H, and it returns a tensor of their shape."""
    match kind:
        case "add":
            return Average()
        case "concat":
            return Concatenation(width)
        case "linear":
            return Gate()


class Average(nn.Module):
    """Adapter ``add``: (T + H) / 2."""

    def forward(self, state: Tensor, pre: Tensor) -> Tensor:
        """(tokens, width) twice → (tokens, width)."""
        return (state + pre) / 2


class Concatenation(nn.Linear):
    """Adapter ``concat``: a linear map of [T; H]."""

    def __init__(self, width: int) -> None:
        super().__init__(2 * width, width)

    def forward(self, state: Tensor, pre: Tensor) -> Tensor:  # type: ignore[override]
        """(tokens, width) twice → (tokens, width)."""
        return super().forward(torch.cat((state, pre), dim=-1))


class Gate(nn.Module):
    """Adapter ``linear``: σ(g)·T + (1 − σ(g))·H with one learned scalar g, initially 0."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(()))

    def forward(self, state: Tensor, pre: Tensor) -> Tensor:
        """(tokens, width) twice → (tokens, width)."""
        return torch.lerp(pre, state, self.logit.sigmoid())
