"""LatentRATT: the single-query attention that makes a latent token from the previous states.

It has one head of full width with rotary positions of base 1,000, scaled by the root of the width. There is
no output projection, no residual and no norm. The query is the state just before the latent token; keys and
values are all states up to it (xuwenxinedu/R3 @c558b44, ``latent/layers.py``).

One point differs from the source. If only the latest states are seen, the source ignores which positions are
padding. With padding on the left, a history shorter than the reach then also attends to the backbone's states
at padding. Here it attends to its own states alone. Only latents of such histories differ, and none if all
states are seen, which is the source's own setting (``end_k`` of −1).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.data.packing import Packed

__all__ = ["LatentAttention", "rotate"]

_BASE = 1000.0


def rotate(part: Tensor, positions: Tensor) -> Tensor:
    """Rotate the halves of the last axis by angles that grow with the position.

    Args:
        part: (…, width), an even width.
        positions: (…), broadcast to the leading axes.
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
        reach: how many of the latest states it sees; ``None``: all of them.
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
        """Latents for every token, or for the last token of every sequence.

        Args:
            states: of the items, (tokens, width).
            rows: states that ask, (tokens, width) or (sequences, width).
            ahead: how many positions after its item the query is.
            sequences: the histories.
            everywhere: whether every token asks about the states up to itself.

        Returns:
            Shaped as ``rows``.
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
        """Latents of one query per sequence, for states with padding anywhere among them.

        Args:
            states: (sequences, length, width).
            real: which of them are no padding, (sequences, length).
            positions: of the states, (sequences, length).
            rows: the state that asks, (sequences, width).
            at: its position, (sequences,).

        Returns:
            (sequences, width).
        """
        keys, values = rotate(self.key(states), positions), self.value(states)
        return self._attend_at_last(real, rotate(self.query(rows), at), keys, values)

    def _attend_everywhere(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        length = query.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
        if self.reach is not None:
            seen = seen.triu(1 - self.reach)
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=seen)

    def _attend_at_last(self, real: Tensor, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        if self.reach is not None:
            later = real.sum(1, keepdim=True) - real.cumsum(1)  # real states after each place
            real = real & (later < self.reach)
        scores = (query.unsqueeze(1) @ keys.transpose(1, 2)) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~real.unsqueeze(1), -torch.inf).softmax(-1)  # (sequences, 1, length)
        return (weights @ values).squeeze(1)
