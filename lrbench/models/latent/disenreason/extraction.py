"""Stage 2, latent user reasoning: each step extracts one latent user and passes on the rest.

``u_i = FFN(LayerNorm(z_{i−1} + Attention(z_{i−1}, H)))`` and ``z_i = z_{i−1} − u_i``. All steps share their
weights. A latent user that is too similar to the one before it does not count, nor does any after it.
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
        dropout: rate on attention weights and on what is added.
        residual: what is taken from z. ``subtract``: the latent user. ``project``: z's component along it.
            ``none``: nothing.
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
        """Extract one latent user.

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
        """Return the weighted values of a group, (sequences, width)."""
        keys, values = (_by_head(part, self.heads) for part in memory.chunk(2, -1))
        own = _by_head(query, self.heads)  # (sequences, heads, …)
        scores = torch.einsum("shd,slhd->shl", own, keys) / math.sqrt(own.shape[-1])
        weights = self.dropout(scores.masked_fill(~real.unsqueeze(1), -torch.inf).softmax(-1))
        return torch.einsum("shl,slhd->shd", weights, values).flatten(1)


@torch.no_grad()
def alive(users: Tensor, likeness: float) -> Tensor:
    """Return which latent users count, (users, rows).

    All count before the first that is too similar to its predecessor.

    Args:
        users: u_1 … u_I, (users, rows, width).
        likeness: θ, the largest cosine of two consecutive latent users that both count.
    """
    cosines = F.cosine_similarity(users[1:], users[:-1], dim=-1)  # (users − 1, rows)
    first = torch.ones_like(users[:1, :, 0], dtype=torch.bool)
    return torch.cat((first, cosines <= likeness)).cumprod(0).bool()


def _by_head(part: Tensor, heads: int) -> Tensor:
    """(…, width) → (…, heads, width / heads)."""
    return part.view(*part.shape[:-1], heads, -1)
