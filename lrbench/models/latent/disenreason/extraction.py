"""Stage 2, latent user reasoning: each step extracts one latent user and passes on the rest.

z_0 is the pivot, and H are the encoder's states. Step i first attends: ``m = LayerNorm(z_{i−1} +
Attention(z_{i−1}, H))``. The latent user is ``u_i = LayerNorm(m + FFN(m))``, and the rest is ``z_i = z_{i−1}
− u_i``. All steps share their weights. If a latent user is too similar to the one before it, neither it nor
any later one counts.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.latent.disenreason.rows import by_row
from lrbench.models.layers.dropout import Dropout

__all__ = ["Extraction", "Residual", "alive"]

Residual = Literal["subtract", "project", "none"]


class Extraction(nn.Module):
    """One reasoning step.

    Args:
        width: of the states.
        heads: of the attention.
        inner_width: between the two layers of the feed-forward part.
        dropout: rate on attention weights and on what is added.
        residual: what is subtracted from z. ``subtract``: the latent user. ``project``: the component of z
            along it. ``none``: nothing.
    """

    def __init__(self, width: int, heads: int, inner_width: int, dropout: float, residual: Residual) -> None:
        super().__init__()
        self.heads = heads
        self.residual = residual
        self.query, self.memory = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        self.attention_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, inner_width), nn.GELU(), nn.Linear(inner_width, width), Dropout(dropout)
        )

    def forward(
        self, state: Tensor, memory: Tensor, sequences: Packed, everywhere: bool
    ) -> tuple[Tensor, Tensor]:
        """Extract one latent user.

        Args:
            state: z_{i−1}, (rows, width).
            memory: keys and values of the tokens, (tokens, 2 · width), which the layer ``memory`` makes.
            sequences: the histories.
            everywhere: whether the history up to each token is a row. Otherwise each whole history is one.

        Returns:
            u_i and z_i, (rows, width) each.
        """
        found = self.output(by_row(self._attend, self.query(state), memory, sequences, everywhere))
        mixed = self.attention_norm(state + self.dropout(found))
        user: Tensor = self.norm(mixed + self.feed_forward(mixed))
        match self.residual:
            case "subtract":
                rest = state - user
            case "project":
                direction = F.normalize(user, dim=-1)
                rest = state - (state * direction).sum(-1, keepdim=True) * direction
            case _:
                rest = state
        return user, rest

    def _attend(self, seen: Tensor, query: Tensor, memory: Tensor) -> Tensor:
        """Return the weighted values of a group's rows, (sequences, rows, width).

        Args:
            seen: which tokens a row has, (sequences or 1, rows, length).
            query: (sequences, rows, width).
            memory: (sequences, length, 2 · width).
        """
        own, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # type: ignore[no-untyped-call]
            for part in (query, *memory.chunk(2, -1))
        )  # (sequences, heads, rows or length, width / heads)
        scores = own @ keys.mT / math.sqrt(own.shape[-1])  # (sequences, heads, rows, length)
        weights = self.dropout(scores.masked_fill(~seen.unsqueeze(1), -torch.inf).softmax(-1))
        found: Tensor = weights @ values
        return found.transpose(1, 2).flatten(2)


@torch.no_grad()
def alive(users: Tensor, likeness: float) -> Tensor:
    """Return which latent users count, (users, rows): those before the first that is too similar.

    Args:
        users: u_1 … u_I, (users, rows, width).
        likeness: θ, the largest cosine of two consecutive latent users that both count.
    """
    cosines = F.cosine_similarity(users[1:], users[:-1], dim=-1)  # (users − 1, rows)
    first = torch.ones_like(users[:1, :, 0], dtype=torch.bool)
    return torch.cat((first, cosines <= likeness)).cumprod(0).bool()
