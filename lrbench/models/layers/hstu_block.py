"""The HSTU block: gated attention without softmax (Zhai et al., ICML 2024), as in its research code."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.layers.dropout import Dropout
from lrbench.models.layers.layer import Layer

__all__ = ["EPSILON", "HSTUBlock"]

EPSILON = 1e-6
"""Epsilon of every norm, as in the authors' code."""

_TIME_BUCKETS = 128

_BUCKET_WIDTH = 0.301  # of a bucket of elapsed time, in the natural logarithm of seconds


class HSTUBlock(Layer):
    """One HSTU block. Its attention biases belong to the block and are the same for all heads.

    Args:
        width: of the states.
        heads: attention heads.
        reach: N, the divisor of attention. No sequence is longer.
        dropout: rate before the output projection.
        time_bias: whether there is a bias by elapsed time.
        query_width: of a head's queries and keys. ``None``: width / heads.
        value_width: of a head's values and gates. ``None``: width / heads.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        reach: int,
        dropout: float,
        time_bias: bool,
        query_width: int | None = None,
        value_width: int | None = None,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.reach = reach
        queries, values = heads * (query_width or width // heads), heads * (value_width or width // heads)
        self.sizes = [values, values, queries, queries]  # of u, v, q, k
        self.project = nn.Parameter(torch.randn(width, sum(self.sizes)) * 0.02)
        self.position_bias = nn.Parameter(torch.randn(2 * reach - 1) * 0.02)  # by distance in positions
        self.time_bias = nn.Parameter(torch.randn(_TIME_BUCKETS + 1) * 0.02) if time_bias else None
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(values, width)
        nn.init.xavier_uniform_(self.output.weight)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        gate, value, query, key = self.parts(hidden)
        return self.finish(self.attend(query, key, value, sequences), gate, hidden)

    def parts(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """Return gates u, values v, queries q and keys k of (…, width), each (…, heads · its head width)."""
        normed = F.layer_norm(hidden, hidden.shape[-1:], eps=EPSILON)
        return torch.split(F.silu(normed @ self.project), self.sizes, -1)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, sequences: Packed) -> Tensor:
        """Return the weighted values of every token.

        Args:
            query: (tokens, heads · query width).
            key: (tokens, heads · query width).
            value: (tokens, heads · value width).
            sequences: the histories.

        Returns:
            (tokens, heads · value width).
        """
        if self.time_bias is None:
            return sequences.by_group(lambda *parts: self._attend(None, *parts), query, key, value)
        return sequences.by_group(self._attend_in_time, *_times(sequences), query, key, value)

    def finish(self, attended: Tensor, gate: Tensor, hidden: Tensor) -> Tensor:
        """Normalise and gate the output of attention, project it, and add the block's input, (…, width)."""
        gated = gate * F.layer_norm(attended, attended.shape[-1:], eps=EPSILON)
        output: Tensor = self.output(self.dropout(gated))
        return output + hidden

    def bias_by_place(self, length: int) -> Tensor:
        """Return the bias by distance of every pair of positions, (queries, keys), both ``length`` long."""
        places = torch.arange(length, device=self.position_bias.device)
        return self.position_bias[self.reach - 1 + places - places[:, None]]

    def bias_by_time(self, next_times: Tensor, times: Tensor) -> Tensor:
        """Return the bias by the time from each interaction to the one that a position predicts.

        Args:
            next_times: of the interaction after each position, in seconds, (…, length).
            times: of the interaction at each position, in seconds, (…, length).

        Returns:
            (…, queries, keys), both ``length`` long.
        """
        assert self.time_bias is not None
        elapsed = (next_times.unsqueeze(-1) - times.unsqueeze(-2)).abs().clamp(min=1)
        buckets = (elapsed.double().log() / _BUCKET_WIDTH).long().clamp(0, _TIME_BUCKETS)
        return self.time_bias[buckets]

    def _attend_in_time(self, next_times: Tensor, times: Tensor, *parts: Tensor) -> Tensor:
        return self._attend(self.bias_by_time(next_times, times), *parts)

    def _attend(self, bias: Tensor | None, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend within (sequences, length, …). Padding is on the right, where the causal mask hides it."""
        length = query.shape[1]
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)  # type: ignore[no-untyped-call]
            for part in (query, key, value)
        )  # (sequences, heads, length, …)
        added = self.bias_by_place(length)
        if bias is not None:
            added = added + bias.unsqueeze(1)
        weights = F.silu(query @ key.transpose(2, 3) + added) / self.reach
        return (weights.tril() @ value).transpose(1, 2).flatten(2)


def _times(sequences: Packed) -> tuple[Tensor, Tensor]:
    """Return the times of the interaction after each token and of the token's own, (tokens,) each."""
    assert sequences.times is not None and sequences.next_times is not None  # see `HSTUConfig.needs_times`
    return sequences.next_times, sequences.times
