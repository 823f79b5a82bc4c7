"""LatentRATT: the single-query attention that makes a latent token from the previous states.

It has one head of full width. Queries and keys get rotary positions of base 1,000, and scores are divided by
the root of the width. There is no output projection, no residual and no norm. The query is the state just
before the latent token. Keys and values are all states up to that one (xuwenxinedu/R3 @c558b44,
``latent/layers.py``).

One point differs from the source if only the latest states are seen. The source then ignores which positions
are padding. With padding on the left, a history shorter than the reach also attends to the backbone's states
at padding. Here it attends to its own states alone. By default all states are seen (``end_k`` of −1 in the
source), and nothing differs.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.data.packing import Packed

__all__ = ["LatentAttention", "rotate"]

_BASE = 1000.0


def rotate(part: Tensor, positions: Tensor) -> Tensor:
    """Rotate the two halves of the last axis against each other by angles that grow with the position.

    Args:
        part: queries or keys, (…, width); the width is even.
        positions: (…), broadcast to the leading axes.

    Returns:
        (…, width).
    """
    half = part.shape[-1] // 2
    frequencies = _BASE ** (-torch.arange(half, device=part.device, dtype=part.dtype) / half)
    angles = positions.unsqueeze(-1).to(part.dtype) * frequencies  # (…, half)
    cosine, sine = angles.cos(), angles.sin()
    first, second = part[..., :half], part[..., half:]
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), -1)


class LatentAttention(nn.Module):
    """Attention of one query per row over the states of its history.

    Args:
        width: of states and latents.
        reach: how many of the latest states the query sees. ``None``: all of them.
    """

    def __init__(self, width: int, reach: int | None = None) -> None:
        super().__init__()
        self.reach = reach
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(
        self, states: Tensor, rows: Tensor, ahead: int, sequences: Packed, everywhere: bool
    ) -> Tensor:
        """Return the latent of every token, or of the last token of every sequence.

        Args:
            states: of the items, (tokens, width).
            rows: states from which queries are made, (tokens, width) or (sequences, width).
            ahead: how many positions after its item a query is.
            sequences: the histories.
            everywhere: whether there is a query for every token, which sees the states up to that token.
                Otherwise there is one for every sequence.

        Returns:
            Latents, shaped as ``rows``.
        """
        positions = sequences.positions
        keys, values = rotate(self.key(states), positions), self.value(states)
        at = positions if everywhere else positions[sequences.last]
        query = rotate(self.query(rows), at + ahead)
        if everywhere:
            return sequences.by_group(self._attend_everywhere, query, keys, values)
        return sequences.map_last(self._attend_at_last, query, keys, values)

    def over_padded(
        self, states: Tensor, real: Tensor, positions: Tensor, rows: Tensor, at: Tensor
    ) -> Tensor:
        """Return the latent of every sequence, where padding may be anywhere among the states.

        Args:
            states: (sequences, length, width).
            real: which of them are no padding, (sequences, length).
            positions: of the states, (sequences, length).
            rows: states from which queries are made, (sequences, width).
            at: positions of the queries, (sequences,).

        Returns:
            Latents, (sequences, width).
        """
        keys, values = rotate(self.key(states), positions), self.value(states)
        return self._attend_at_last(real, rotate(self.query(rows), at), keys, values)

    def _attend_everywhere(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(sequences, length, width) each → the same."""
        length = query.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
        if self.reach is not None:
            seen = seen.triu(1 - self.reach)
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=seen)

    def _attend_at_last(self, real: Tensor, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(sequences, length), (sequences, width), two of (sequences, length, width) → (sequences, width)."""
        if self.reach is not None:
            later = real.sum(1, keepdim=True) - real.cumsum(1)  # real states after each position
            real = real & (later < self.reach)
        scores = (query.unsqueeze(1) @ keys.transpose(1, 2)) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~real.unsqueeze(1), -torch.inf).softmax(-1)  # (sequences, 1, length)
        return (weights @ values).squeeze(1)
