"""What the diffusion reads of a history: thinking states and, if configured, the encoder's item states."""

from typing import NamedTuple

import torch
from torch import Tensor

from lrbench.data.packing import Packed

__all__ = ["Thoughts", "history_of"]


class Thoughts(NamedTuple):
    """Thinking states of some rows."""

    states: Tensor  # r_0 … r_K, (K + 1, rows, width)
    history: Tensor | None = None  # from `history_of`, (rows, length, width + 1), if the denoiser reads it

    def of(self, rows: Tensor) -> "Thoughts":
        """Return the thoughts of the given rows, in their order."""
        history = None if self.history is None else self.history.index_select(0, rows)
        return Thoughts(self.states.index_select(1, rows), history)

    def repeated(self, count: int) -> "Thoughts":
        """Return all rows ``count`` times, one copy after another."""
        history = None if self.history is None else self.history.repeat(count, 1, 1)
        return Thoughts(self.states.repeat(1, count, 1), history)


def history_of(tokens: Tensor, at: Tensor, sequences: Packed) -> Tensor:
    """Return the states of the items up to some tokens, latest first, (rows, length, width + 1).

    The last channel is 0 at items and −∞ before the first item. Attention adds it to its scores.

    Args:
        tokens: states of all tokens, (tokens, width).
        at: (rows,) the token at which each row ends.
        sequences: the histories.
    """
    longest = int(sequences.host.lengths.max())
    places = at.unsqueeze(1) - torch.arange(longest, device=at.device)  # (rows, length)
    real = places >= sequences.first[sequences.sequence_of[at]].unsqueeze(1)
    added = tokens.new_zeros(real.shape).masked_fill(~real, -torch.inf)
    return torch.cat((tokens[places.clamp(min=0)], added.unsqueeze(-1)), -1)
