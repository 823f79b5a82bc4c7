"""Latent tokens that HSTU blocks (units) append to a history one by one.

:mod:`lrbench.models.layers.token_chain` explains chains. HSTU has no softmax. The weighted sums over the
items and over a token's own chain are therefore computed separately and added. A latent token's position is
the number of items before it plus the number of tokens before it in its chain.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.hstu_block import HSTUBlock
from lrbench.models.layers.token_chain import Memory

__all__ = ["UnitChains", "encode_with_units"]


def encode_with_units(
    encoder: Encoder, hidden: Tensor, sequences: Packed, everywhere: bool
) -> tuple[Tensor, list[Memory]]:
    """Run HSTU blocks on the items and keep each block's keys and values.

    Args:
        encoder: HSTU blocks.
        hidden: embedded items, (tokens, width).
        sequences: the histories.
        everywhere: return the state of every token. Otherwise return that of each sequence's last token.

    Returns:
        States, (tokens, width) or (sequences, width), and one memory per block.
    """
    memories = []
    for block in _units(encoder):
        gate, value, query, key = block.parts(hidden)
        memories.append(Memory(key, value))
        hidden = block.finish(block.attend(query, key, value, sequences), gate, hidden)
    return (hidden if everywhere else hidden.index_select(0, sequences.last)), memories


class UnitChains:
    """Growing chains after every item, or after the last item of each sequence.

    Args:
        encoder: HSTU blocks.
        sequences: the histories.
        memories: of each block, from :func:`encode_with_units`.
        everywhere: make a chain for every token. Otherwise make one for each sequence.
    """

    def __init__(self, encoder: Encoder, sequences: Packed, memories: list[Memory], everywhere: bool) -> None:
        self._blocks = _units(encoder)
        self._sequences = sequences
        self._memories = memories
        self._everywhere = everywhere
        self._own: list[list[Memory]] = [[] for _ in memories]

    def extend(self, hidden: Tensor) -> Tensor:
        """Append one token to every chain.

        Args:
            hidden: inputs, (rows, streams, width). A row has a chain for each stream. Chains do not see each
                other.

        Returns:
            The token's states after the last block, (rows, streams, width).
        """
        for block, memory, own in zip(self._blocks, self._memories, self._own, strict=True):
            gate, value, query, key = block.parts(hidden)
            own.append(Memory(key, value))
            attended = self._from_items(block, query, memory, len(own)) + _from_chain(block, query, own)
            hidden = block.finish(attended, gate, hidden)
        return hidden

    def _from_items(self, block: HSTUBlock, query: Tensor, memory: Memory, ahead: int) -> Tensor:
        """Return the weighted values of the items, (rows, streams, …).

        The new token is ``ahead`` positions after the last item.
        """
        if not self._everywhere:

            def at_last(real: Tensor, rows: Tensor, keys: Tensor, values: Tensor) -> Tensor:
                places = torch.arange(keys.shape[1], device=keys.device)
                distance = places - (real.sum(1, keepdim=True) - 1 + ahead)  # (sequences, length)
                bias = _bias(block, distance)[:, None, None, None, :]
                return _mix(
                    block, rows.unsqueeze(1), keys, values, bias, real[:, None, None, None, :]
                ).squeeze(1)

            return self._sequences.map_last(at_last, query, *memory)

        def everywhere(rows: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            places = torch.arange(keys.shape[1], device=keys.device)
            distance = places - (places[:, None] + ahead)  # (places, length)
            seen = (places <= places[:, None])[:, None, :]
            return _mix(block, rows, keys, values, _bias(block, distance)[:, None, :], seen)

        return self._sequences.by_group(everywhere, query, *memory)


def _from_chain(block: HSTUBlock, query: Tensor, own: list[Memory]) -> Tensor:
    """Return the weighted values of the chain's tokens, the new one included, (rows, streams, …)."""
    keys, values = (torch.stack(parts, 2) for parts in zip(*own, strict=True))  # (rows, streams, chain, …)
    places = torch.arange(len(own), device=query.device)
    bias = _bias(block, places - (len(own) - 1))[:, None]  # (chain, 1)
    scores = (_by_head(block, query).unsqueeze(2) * _by_head(block, keys)).sum(
        -1
    )  # (rows, streams, chain, heads)
    weights = F.silu(scores + bias) / block.reach  # (rows, streams, chain, heads)
    return (weights.unsqueeze(-1) * _by_head(block, values)).sum(2).flatten(2)


def _mix(block: HSTUBlock, rows: Tensor, keys: Tensor, values: Tensor, bias: Tensor, seen: Tensor) -> Tensor:
    """Return the weighted values of the items, (sequences, places, streams, …).

    Args:
        block: gives heads and reach.
        rows: queries, (sequences, places, streams, …).
        keys: of the items, (sequences, length, …).
        values: of the items, likewise.
        bias: by distance. It is broadcast to (sequences, heads, places, streams, length).
        seen: which items a position sees. It is broadcast likewise.
    """
    query, key, value = (_by_head(block, part) for part in (rows, keys, values))
    scores = torch.einsum("spmhd,sjhd->shpmj", query, key) + bias
    weights = (F.silu(scores) / block.reach) * seen
    return torch.einsum("shpmj,sjhd->spmhd", weights, value).flatten(3)


def _bias(block: HSTUBlock, distance: Tensor) -> Tensor:
    """Return the bias of keys at a distance in positions, any shape. The distance is negative or 0.

    Beyond the block's reach it is the bias at that reach.
    """
    return block.position_bias[(block.reach - 1 + distance).clamp(min=0)]


def _by_head(block: HSTUBlock, part: Tensor) -> Tensor:
    """(…, heads · size) → (…, heads, size)."""
    return part.view(*part.shape[:-1], block.heads, -1)


def _units(encoder: Encoder) -> list[HSTUBlock]:
    blocks = list(encoder.blocks)
    assert all(isinstance(block, HSTUBlock) for block in blocks)
    return blocks  # type: ignore[return-value]
