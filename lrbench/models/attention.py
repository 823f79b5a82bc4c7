"""Multi-head self-attention over packed tokens, trained by one operation with its gradient written out.

On the CPU a training pass with dropout computes ``dropout(softmax(q kᵀ/√d + a)) v`` head by head on strided
views, without copies of queries, keys and values by head, and keeps the weights and the mask of what stays
for its gradient; that takes about two thirds of the time of separate operations. Elsewhere it is torch's own.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lrbench.data.packing import Packed
from lrbench.models.dropout import Dropout, draw_kept

__all__ = ["Attention"]


class Attention(nn.Module):
    """Multi-head self-attention in which a token sees itself and those before it, or all where not causal."""

    def __init__(self, width: int, heads: int, dropout: float, causal: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.dropout = Dropout(dropout)  # of the attention weights

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        attended: Tensor = self.output(self.attend(*self.project(hidden), sequences))
        return attended

    def project(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (…, width)."""
        return self.query(hidden), self.key(hidden), self.value(hidden)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, sequences: Packed) -> Tensor:
        """Weighted values of every token, (tokens, width)."""
        if self.causal:  # padding is on the right, where causality hides it
            return sequences.by_group(lambda *parts: self.mix(None, *parts), query, key, value)
        return sequences.by_group_masked(
            lambda real, *parts: self.mix(_added(real[:, None, :], query.dtype), *parts), query, key, value
        )

    def mix(self, added: Tensor | None, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend within groups.

        Args:
            added: added to the scores of all heads, (sequences, 1 or length, length); none: 0 where a place
                is itself or earlier, −∞ where it is later.
            query: (sequences, length, width).
            key: the same.
            value: the same.

        Returns:
            (sequences, length, width)
        """
        rate = self.dropout.p if self.training else 0.0
        if rate and query.device.type == "cpu":
            if added is None:
                length = query.shape[1]
                seen = torch.ones(length, length, dtype=torch.bool).tril()
                added = _added(seen, query.dtype)
            mixed: Tensor = _Attention.apply(query, key, value, added, self.heads, rate)  # type: ignore[no-untyped-call]
            return mixed

        def by_head(part: Tensor) -> Tensor:
            return part.view(*part.shape[:2], self.heads, -1).transpose(1, 2)  # (sequences, heads, length, …)

        heads = F.scaled_dot_product_attention(
            by_head(query),
            by_head(key),
            by_head(value),
            attn_mask=None if added is None else added.unsqueeze(1),
            dropout_p=rate,
            is_causal=added is None,
        )
        return heads.transpose(1, 2).flatten(2)


def _added(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a place is seen and −∞ where not."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -torch.inf)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, added: Tensor, heads: int, rate: float
    ) -> Tensor:
        sequences, length, width = query.shape
        ctx.heads, ctx.scale = heads, 1 / math.sqrt(width // heads)
        weights = query.new_empty(heads, sequences, length, length)
        added = added.expand(sequences, length, length)
        for own, queries, keys in zip(weights, _heads(query, heads), _heads(key, heads), strict=True):
            torch.baddbmm(added, queries, keys.mT, alpha=ctx.scale, out=own)
        torch.softmax(weights, -1, out=weights)
        kept, ctx.factor = draw_kept(weights.shape, rate)
        ctx.save_for_backward(query, key, value, weights, kept)
        dropped = weights * kept
        mixed = [own @ values for own, values in zip(dropped, _heads(value, heads), strict=True)]
        return torch.cat(mixed, -1).mul_(ctx.factor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights, kept = ctx.saved_tensors
        gradients, dropped = _heads(gradient * ctx.factor, ctx.heads), weights * kept
        by_weight = torch.empty_like(weights)
        for own, part, values in zip(by_weight, gradients, _heads(value, ctx.heads), strict=True):
            torch.bmm(part, values.mT, out=own)
        by_value = [own.mT @ part for own, part in zip(dropped, gradients, strict=True)]
        by_weight.mul_(kept)
        by_score = torch._softmax_backward_data(by_weight, weights, -1, weights.dtype).mul_(ctx.scale)
        by_query = [own @ keys for own, keys in zip(by_score, _heads(key, ctx.heads), strict=True)]
        by_key = [own.mT @ queries for own, queries in zip(by_score, _heads(query, ctx.heads), strict=True)]
        return *(torch.cat(parts, -1) for parts in (by_query, by_key, by_value)), None, None, None


def _heads(part: Tensor, heads: int) -> tuple[Tensor, ...]:
    """The columns of each head, (…, width / heads) each."""
    return torch.split(part, part.shape[-1] // heads, -1)
