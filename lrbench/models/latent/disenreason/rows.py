"""Rows of histories: the history up to each token, or each whole history."""

from collections.abc import Callable

import torch
from torch import Tensor

from lrbench.data.packing import Packed

__all__ = ["by_row"]


def by_row(
    function: Callable[[Tensor, Tensor, Tensor], Tensor],
    rows: Tensor,
    tokens: Tensor,
    sequences: Packed,
    everywhere: bool,
) -> Tensor:
    """Apply a function to what each row sees of its history.

    Args:
        function: gets which tokens a row sees, (sequences or 1, rows, length), the padded rows, (sequences,
            rows, …), and the padded tokens, (sequences, length, …). It returns (sequences, rows, …).
        rows: (tokens, …) if ``everywhere``, else (sequences, …) in the order given to ``pack``.
        tokens: (tokens, …).
        sequences: the histories.
        everywhere: whether the history up to each token is a row. Otherwise each whole history is one.

    Returns:
        (rows, …), ordered as ``rows``.
    """
    if everywhere:

        def up_to_each(rows: Tensor, tokens: Tensor) -> Tensor:
            length = tokens.shape[1]
            seen = torch.ones(1, length, length, dtype=torch.bool, device=tokens.device).tril()
            return function(seen, rows, tokens)

        return sequences.by_group(up_to_each, rows, tokens)

    def whole(real: Tensor, rows: Tensor, tokens: Tensor) -> Tensor:
        return function(real.unsqueeze(1), rows.unsqueeze(1), tokens).squeeze(1)

    return sequences.map_last(whole, rows, tokens)
