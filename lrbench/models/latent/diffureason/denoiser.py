"""The denoiser predicts the clean intent from a noisy one, its noise level and the hypothesis.

The public diffusion recommenders predict x̂_0 itself (DiffuRec, DreamRec, PreferDiff). No form of
DiffuReason's denoiser is known (arXiv 2602.09744). lrbench takes two residual blocks of twice the width.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from lrbench.models.layers.diffusion import sinusoids

__all__ = ["Denoiser", "DenoiserForm"]

DenoiserForm = Literal["concatenated", "modulated", "attention", "history"]

_ATTENDING = ("attention", "history")
_BLOCKS = 2


class Denoiser(nn.Module):
    """x̂_0 = g(x_t, t, c).

    Args:
        width: of all vectors.
        form: ``concatenated``: the input is x_t, c and the level's embedding side by side. ``modulated``: c
            and the level scale and shift the normalised state of each block. ``attention``: x_t attends to
            r_0 … r_K, and the result is c. ``history``: it attends to the states of all items too.
    """

    def __init__(self, width: int, form: DenoiserForm) -> None:
        super().__init__()
        self.form = form
        inner = 2 * width
        self.level = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.null: nn.Parameter | None = nn.Parameter(torch.zeros(width))
        """Replaces c where guidance leaves it out."""

        self.enter = nn.Linear(width if form == "modulated" else 3 * width, inner)
        self.norms = nn.ModuleList(
            nn.LayerNorm(inner, elementwise_affine=form != "modulated") for _ in range(_BLOCKS)
        )
        self.blocks = nn.ModuleList(nn.Linear(inner, inner) for _ in range(_BLOCKS))
        self.modulations = nn.ModuleList(
            nn.Linear(width, 2 * inner) for _ in range(_BLOCKS if form == "modulated" else 0)
        )
        self.leave = nn.Linear(inner, width)
        if form in _ATTENDING:
            self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, state: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """Predict the clean vector.

        Args:
            state: x_t, (…, width).
            level: t of each row, (…), or a scalar for all rows.
            condition: for ``concatenated`` and ``modulated`` c, (…, width). For ``attention`` r_0 … r_K, (…,
                K + 1, width). For ``history`` the states of the items and then r_0 … r_K, (…, states, width +
                1). The last channel is added to the attention score of its state.

        Returns:
            x̂_0, (…, width)
        """
        time = self.level(sinusoids(level, state.shape[-1]).to(state.dtype)).expand_as(state)
        if self.form in _ATTENDING:
            condition = self._attended(state, condition)
        condition = condition.expand_as(state)
        if self.form == "modulated":
            hidden = self.enter(state)
            for norm, block, modulation in zip(self.norms, self.blocks, self.modulations, strict=True):
                scale, shift = modulation(condition + time).chunk(2, -1)
                hidden = hidden + block(torch.nn.functional.silu(norm(hidden) * (1 + scale) + shift))
        else:
            hidden = self.enter(torch.cat((state, condition, time), -1))
            for norm, block in zip(self.norms, self.blocks, strict=True):
                hidden = hidden + block(torch.nn.functional.silu(norm(hidden)))
        return self.leave(hidden)

    def without(self, condition: Tensor) -> Tensor:
        """Return the learned null vector in place of a condition, in its shape."""
        assert self.null is not None  # guidance, or its dropout, keeps it
        further = condition.shape[-1] - self.null.shape[-1]
        return torch.nn.functional.pad(self.null, (0, further)).expand_as(condition)

    def _attended(self, state: Tensor, condition: Tensor) -> Tensor:
        """Return the weighted mean of the states that the condition holds, (…, width)."""
        width = state.shape[-1]
        states, added = condition.tensor_split([width], -1)  # (…, states, width), (…, states, 0 or 1)
        scores = (self.key(states) @ self.query(state).unsqueeze(-1)).squeeze(-1) / math.sqrt(width)
        weights = (scores + added.sum(-1)).softmax(-1)  # (…, states)
        return (weights.unsqueeze(-2) @ states).squeeze(-2)
