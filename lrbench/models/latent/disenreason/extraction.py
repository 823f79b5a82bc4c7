"""Stage 2, latent user reasoning: what the pivot attends to is one user; the rest goes on.

``u_i = FFN(LayerNorm(z_{i−1} + Attention(z_{i−1}, H)))`` and ``z_i = z_{i−1} − u_i``, with the same weights
in every step. A latent user that is too like the one before it, and all after it, do not count.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.layers.dropout import Dropout

__all__ = ["Extraction", "Residual", "alive"]

Residual = Literal["subtract", "project", "none"]


class Extraction(nn.Module):
    """One reasoning step.

    Args:
        width: of the states.
        heads: of the attention.
        inner_width: between the two layers of the feed-forward part.
        dropout: rate on weights and on what is added.
        residual: what a latent user takes from z: itself; z's part along it; nothing.
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

    def forward(self, state: Tensor, memory: Tensor, sequences: Packed) -> tuple[Tensor, Tensor]:
        """Take one latent user out.

        Args:
            state: z_{i−1}, (sequences, width).
            memory: keys and values of the tokens, (tokens, 2 · width), from :attr:`memory`.
            sequences: the histories.

        Returns:
            u_i and z_i, (sequences, width) each.
        """
        found = self.output(sequences.map_last(self._attend, self.query(state), memory))
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

    def _attend(self, real: Tensor, query: Tensor, memory: Tensor) -> Tensor:
        """Weighted values of a group, (sequences, width)."""
        keys, values = (_by_head(part, self.heads) for part in memory.chunk(2, -1))
        own = _by_head(query, self.heads)  # (sequences, heads, …)
        scores = torch.einsum("shd,slhd->shl", own, keys) / math.sqrt(own.shape[-1])
        weights = self.dropout(scores.masked_fill(~real.unsqueeze(1), -torch.inf).softmax(-1))
        return torch.einsum("shl,slhd->shd", weights, values).flatten(1)


@torch.no_grad()
def alive(users: Tensor, likeness: float) -> Tensor:
    """Which latent users count, (users, rows): all before the first that is too like the one before it.

    Args:
        users: u_1 … u_I, (users, rows, width).
        likeness: θ, the greatest cosine of two consecutive latent users that both count.
    """
    cosines = F.cosine_similarity(users[1:], users[:-1], dim=-1)  # (users − 1, rows)
    first = torch.ones_like(users[:1, :, 0], dtype=torch.bool)
    return torch.cat((first, cosines <= likeness)).cumprod(0).bool()


def _by_head(part: Tensor, heads: int) -> Tensor:
    """(…, width) → (…, heads, width / heads)."""
    return part.view(*part.shape[:-1], heads, -1)
