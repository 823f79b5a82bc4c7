"""Multi-head self-attention over packed tokens, trained by one operation with a hand-written gradient.

On the CPU ``dropout(softmax(q kᵀ/√d + a)) v`` is computed head by head on strided views. Queries, keys and
values are not copied per head. In training, one autograd function saves the weights and the dropout mask
for its gradient. Gradients without dropout, and other devices, use torch's own operation. Time on the CPU:

  pass               relative to              time
  training           separate operations      about two thirds
  without gradients  torch's own operation    half
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lrbench.data.packing import Packed
from lrbench.models.layers.dropout import Dropout, draw_kept
from lrbench.models.layers.layer import Layer

__all__ = ["Attention"]

_SHORT = 40  # length of the longest sequences whose weights are stored by key; see `_Layout`


class Attention(Layer):
    """Multi-head self-attention over the tokens of each sequence.

    Args:
        width: of the states. Queries, keys and values of a head have width / heads.
        heads: attention heads; they must divide the width.
        dropout: rate on the attention weights.
        causal: whether a token sees only itself and those before it. Otherwise it sees all tokens.
    """

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
        return self.output(self.attend(self.project(hidden), sequences))

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        return self.output(self.attend_at_last(self.project(hidden), sequences))

    def project(self, hidden: Tensor) -> Tensor:
        """Queries, keys and values side by side, (…, width) → (…, 3 · width), by one product."""
        return F.linear(hidden, *self.joined())

    def joined(self) -> tuple[Tensor, Tensor]:
        """Weights of the product in :meth:`project`, (3 · width, width), and its biases, (3 · width,)."""
        layers = self.query, self.key, self.value
        return torch.cat([each.weight for each in layers]), torch.cat([each.bias for each in layers])

    def attend(self, projected: Tensor, sequences: Packed) -> Tensor:
        """Weighted values of every token, (tokens, width), from (tokens, 3 · width)."""
        if self.causal:  # padding is on the right, where the causal mask hides it
            return sequences.by_group(lambda part: self.mix(None, part), projected)
        return sequences.by_group_masked(
            lambda real, part: self.mix(_added(real[:, None, :], part.dtype), part), projected
        )

    def attend_at_last(self, projected: Tensor, sequences: Packed) -> Tensor:
        """Weighted values of each sequence's last token, (sequences, width), from (tokens, 3 · width)."""
        query, memory = projected.tensor_split([projected.shape[-1] // 3], -1)
        seen = self.seen_by_last(sequences)
        return sequences.map_last(self._mix_at_last, query.index_select(0, sequences.last), seen, memory)

    def seen_by_last(self, sequences: Packed) -> Tensor:
        """Whether the last token of its sequence sees a token, (tokens,)."""
        return sequences.ages >= 0 if self.causal else torch.ones_like(sequences.items, dtype=torch.bool)

    def mix(self, added: Tensor | None, projected: Tensor) -> Tensor:
        """Attend within the padded sequences of one group.

        Args:
            added: added to the scores of all heads, (sequences, 1 or length, length). ``None``: the causal
                mask, which is 0 at a position itself and those before it, and −∞ at later ones.
            projected: queries, keys and values side by side, (sequences, length, 3 · width).

        Returns:
            (sequences, length, width)
        """
        sequences, length, _ = projected.shape
        rate = self.dropout.p if self.training else 0.0
        if projected.device.type == "cpu" and (rate or not torch.is_grad_enabled()):
            if added is None:
                added = _added(torch.ones(length, length, dtype=torch.bool).tril(), projected.dtype)
            if not rate:
                return _mixed(_weights(projected, added, self.heads), projected)
            return _Attention.apply(projected, added, self.heads, rate)  # type: ignore[no-untyped-call]
        parts = projected.view(sequences, length, 3, self.heads, -1).unbind(2)
        query, key, value = (part.transpose(1, 2) for part in parts)  # (sequences, heads, length, …)
        heads = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if added is None else added.unsqueeze(1),
            dropout_p=rate,
            is_causal=added is None,
        )
        return heads.transpose(1, 2).flatten(2)

    def _mix_at_last(self, real: Tensor, query: Tensor, seen: Tensor, memory: Tensor) -> Tensor:
        """Attend from the last token of each sequence of one group.

        Args:
            real: which positions are no padding, (sequences, length).
            query: of the last tokens, (sequences, width).
            seen: which tokens the last token sees, (sequences, length).
            memory: keys and values side by side, (sequences, length, 2 · width).

        Returns:
            Weighted values, (sequences, width).
        """
        keys, values = (part.chunk(self.heads, -1) for part in memory.chunk(2, -1))
        scale = 1 / math.sqrt(query.shape[-1] / self.heads)
        mixed = []
        for own, key, value in zip((query * scale).chunk(self.heads, -1), keys, values, strict=True):
            scores = (key @ own.unsqueeze(-1)).squeeze(-1)  # (sequences, length)
            weights = self.dropout(scores.masked_fill(~(real & seen), -torch.inf).softmax(-1))
            mixed.append((weights.unsqueeze(1) @ value).squeeze(1))
        return torch.cat(mixed, -1)


def _added(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive mask, 0 at positions that are seen and −∞ at the others; any shape → the same."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -torch.inf)


class _Layout:
    """The order in which attention weights of one length are stored.

    Softmax over a short last dimension takes up to six times as long as over an earlier one. Weights of short
    sequences are therefore stored by key, (…, keys, queries), and those of long ones by query,
    (…, queries, keys).

    Args:
        length: positions of a sequence.
    """

    def __init__(self, length: int) -> None:
        self._keys_last = length > _SHORT
        self.key_dimension = -1 if self._keys_last else -2

    def by_query(self, weights: Tensor) -> Tensor:
        """Return stored weights as (…, queries, keys), or such weights in the order of storage; a view."""
        return weights if self._keys_last else weights.mT

    def factors(self, by_query: Tensor, by_key: Tensor) -> tuple[Tensor, Tensor]:
        """Order two factors so that ``first @ second.mT`` has the order of storage.

        Writing a product transposed is slow.

        Args:
            by_query: (sequences, queries, width / heads).
            by_key: (sequences, keys, width / heads).
        """
        return (by_query, by_key) if self._keys_last else (by_key, by_query)


def _weights(projected: Tensor, added: Tensor, heads: int) -> Tensor:
    """Attention weights, the softmax of the scores, (heads, sequences, length, length), stored order.

    Args:
        projected: queries, keys and values side by side, (sequences, length, 3 · width).
        added: added to the scores of all heads, broadcast to (sequences, queries, keys).
        heads: attention heads.
    """
    sequences, length, _ = projected.shape
    layout = _Layout(length)
    queries, keys, _ = _heads(projected, heads)
    weights = projected.new_empty(heads, sequences, length, length)
    added = layout.by_query(added.expand(sequences, length, length))
    for own, query, key in zip(weights, queries, keys, strict=True):
        first, second = layout.factors(query, key)
        torch.baddbmm(added, first, second.mT, alpha=_scale(projected, heads), out=own)
    return torch.softmax(weights, layout.key_dimension, out=weights)


def _mixed(weights: Tensor, projected: Tensor) -> Tensor:
    """Sum the values with stored weights. Returns the heads side by side, (sequences, length, width)."""
    by_query = _Layout(weights.shape[-1]).by_query(weights)  # (heads, sequences, queries, keys)
    values = _heads(projected, len(weights))[2]
    return torch.cat([own @ value for own, value in zip(by_query, values, strict=True)], -1)


class _Attention(torch.autograd.Function):
    """``dropout(softmax(q kᵀ/√d + a)) v`` of all heads. It saves the weights and the dropout mask.

    Below, d is the width of a head. A shape in square brackets is that of a list with one tensor per head.
    """

    @staticmethod
    def forward(ctx: Any, projected: Tensor, added: Tensor, heads: int, rate: float) -> Tensor:
        weights = _weights(projected, added, heads)  # (heads, sequences, length, length), stored order
        kept, ctx.factor = draw_kept(weights.shape, rate)
        ctx.save_for_backward(projected, weights, kept)
        return _mixed(weights * kept, projected).mul_(ctx.factor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        projected, weights, kept = ctx.saved_tensors
        heads, layout = len(weights), _Layout(weights.shape[-1])
        queries, keys, values = _heads(projected, heads)  # [(sequences, length, d)] each
        output_gradients = (gradient * ctx.factor).chunk(heads, -1)  # [(sequences, queries, d)]

        dropped = layout.by_query(weights * kept)  # (heads, sequences, queries, keys)
        value_gradients = [own.mT @ part for own, part in zip(dropped, output_gradients, strict=True)]

        weight_gradient = torch.empty_like(weights)  # (heads, sequences, length, length), stored order
        for own, part, value in zip(weight_gradient, output_gradients, values, strict=True):
            first, second = layout.factors(part, value)
            torch.bmm(first, second.mT, out=own)
        weight_gradient.mul_(kept)

        score_gradient = torch._softmax_backward_data(
            weight_gradient, weights, layout.key_dimension, weights.dtype
        ).mul_(_scale(projected, heads))
        score_gradient = layout.by_query(score_gradient)  # (heads, sequences, queries, keys)
        query_gradients = [own @ key for own, key in zip(score_gradient, keys, strict=True)]
        key_gradients = [own.mT @ query for own, query in zip(score_gradient, queries, strict=True)]
        return torch.cat([*query_gradients, *key_gradients, *value_gradients], -1), None, None, None


def _scale(projected: Tensor, heads: int) -> float:
    """1/√d, where d is the width of a head."""
    return 1 / math.sqrt(projected.shape[-1] / 3 / heads)


def _heads(projected: Tensor, heads: int) -> list[tuple[Tensor, ...]]:
    """Queries, keys and values, each as one tensor per head, (…, width / heads)."""
    return [part.chunk(heads, -1) for part in projected.chunk(3, -1)]
