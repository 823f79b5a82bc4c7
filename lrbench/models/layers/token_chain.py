"""Latent tokens that a Transformer appends to a history one by one, without encoding the history again.

A chain is a run of latent tokens after one item of a sequence. Each token of a chain sees the items up to
that item, the earlier tokens of its own chain, and itself. One softmax covers them all, as if the history
ended at that item and the chain continued it. The items' keys and values are computed once and serve all
chains. Training on every position therefore costs about one more pass per latent token. At inference only
the last item of each sequence has chains.

Chains of one item that do not see each other are called streams. ReaRec's cached form does the same for one
prefix at a time (TangJiakai/ReaRec @7f46432).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.layers.attention import Attention
from lrbench.models.layers.blocks import Block, Encoder, Residual

__all__ = ["ChainBlock", "Chains", "Memory", "bare_attention", "encode_items", "whole_blocks"]


class Memory(NamedTuple):
    """What one block keeps of the items."""

    keys: Tensor  # (tokens, width)
    values: Tensor  # (tokens, width)


def encode_items(
    encoder: Encoder, hidden: Tensor, sequences: Packed, everywhere: bool
) -> tuple[Tensor, list[Memory]]:
    """Run the blocks on the items and keep each block's keys and values.

    Args:
        encoder: blocks that mix by attention.
        hidden: embedded items, (tokens, width).
        sequences: the histories.
        everywhere: return the state of every token. Otherwise return that of each sequence's last token, in
            the order given to ``pack``.

    Returns:
        States, (tokens, width) or (sequences, width), and one memory per block.
    """
    blocks = whole_blocks(encoder)
    memories = []
    for block in blocks:
        projected = block.attention.project(hidden)
        memories.append(Memory(*projected.chunk(3, -1)[1:]))
        if everywhere or block is not blocks[-1]:
            attended = block.attention.attend(projected, sequences)
        else:
            attended = block.attention.attend_at_last(projected, sequences)
            hidden = hidden.index_select(0, sequences.last)
        hidden = block.finish(attended, hidden, sequences)
    return hidden, memories


class Chains:
    """Growing chains after every item, or after the last item of each sequence.

    Args:
        blocks: the blocks that a latent token runs through.
        sequences: the histories.
        memories: one for each of these blocks, from :func:`encode_items`.
        everywhere: make chains for every token. Otherwise make them for each sequence, in the order given to
            ``pack``.
    """

    def __init__(
        self,
        blocks: Sequence["ChainBlock"],
        sequences: Packed,
        memories: Sequence[Memory],
        everywhere: bool,
    ) -> None:
        self._blocks = blocks
        self._sequences = sequences
        self._memories = memories
        self._everywhere = everywhere
        self._own: list[list[Memory]] = [[] for _ in memories]  # of each block, one per token of a chain

    def extend(self, hidden: Tensor) -> Tensor:
        """Append one token to every chain.

        Args:
            hidden: inputs, (rows, streams, width). A row is a token or a sequence; see ``everywhere``.

        Returns:
            The token's states after the last block, (rows, streams, width).
        """
        for block, memory, own in zip(self._blocks, self._memories, self._own, strict=True):
            query, keys, values = block.attention.project(hidden).chunk(3, -1)
            own.append(Memory(keys, values))
            chain = [torch.stack(parts, 2) for parts in zip(*own, strict=True)]  # (rows, streams, chain, …)
            attended = self._attend(block.attention, query, memory, chain)
            hidden = block.finish(attended, hidden, self._sequences)
        return hidden

    def _attend(self, attention: Attention, query: Tensor, memory: Memory, chain: list[Tensor]) -> Tensor:
        """Weighted values of the items and of the chain, (rows, streams, width).

        Attention among a chain's own tokens is computed per row. Only their scores enter the padded groups,
        for the joint softmax, and only their weights come back.

        Args:
            attention: of the block.
            query: of the new tokens, (rows, streams, width).
            memory: keys and values of the items.
            chain: keys and values of the chains, the new tokens included, (rows, streams, chain, width) each.
        """
        heads, width = attention.heads, query.shape[-1]
        query = query / math.sqrt(width / heads)
        keys, values = chain  # (rows, streams, chain, width)
        own = _by_head(query.unsqueeze(2) * keys, heads).sum(-1)  # (rows, streams, chain, heads)
        rows = torch.cat((query, own.flatten(2)), -1)  # (rows, streams, width + chain · heads)
        if self._everywhere:

            def mix_everywhere(rows: Tensor, keys: Tensor, values: Tensor) -> Tensor:
                length = keys.shape[1]
                seen = torch.ones(length, length, dtype=torch.bool, device=keys.device).tril()
                return _mix(attention, rows, keys, values, seen[:, None, :])

            mixed = self._sequences.by_group(mix_everywhere, rows, *memory)
        else:

            def mix_at_last(real: Tensor, rows: Tensor, keys: Tensor, values: Tensor) -> Tensor:
                seen = real[:, None, None, None, :]
                return _mix(attention, rows.unsqueeze(1), keys, values, seen).squeeze(1)

            mixed = self._sequences.map_last(mix_at_last, rows, *memory)
        from_items, weights = mixed.tensor_split([width], -1)
        weights = weights.reshape(own.shape).unsqueeze(-1)  # (rows, streams, chain, heads, 1)
        from_chain = (weights * _by_head(values, heads)).sum(2)  # (rows, streams, heads, …)
        return from_items + from_chain.flatten(2)


def _mix(attention: Attention, rows: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    """Attend to items and to the row's own chain at once.

    Args:
        attention: gives heads and dropout.
        rows: scaled queries, and the score of each token of the chain by head, (sequences, places, streams,
            width + chain · heads). A place is an item with chains.
        keys: of the items, (sequences, length, width).
        values: of the items, likewise.
        seen: which items a place sees. It is broadcast to (sequences, heads, places, streams, length).

    Returns:
        Weighted values of the items, and the chain's weights, shaped as ``rows``.
    """
    length, width = keys.shape[1:]
    heads, (query, own) = attention.heads, rows.tensor_split([width], -1)
    query = _by_head(query, heads).permute(0, 3, 1, 2, 4)  # (sequences, heads, places, streams, …)
    own = own.reshape(*own.shape[:3], -1, heads).permute(0, 4, 1, 2, 3)  # (sequences, heads, …, chain)
    keys, values = (_by_head(part, heads).transpose(1, 2) for part in (keys, values))
    scores = query.flatten(2, 3) @ keys.transpose(2, 3)  # (sequences, heads, places · streams, length)
    scores = scores.view(*query.shape[:4], length).masked_fill(~seen, -torch.inf)
    weights: Tensor = attention.dropout(torch.cat((scores, own), -1).softmax(-1))
    item_weights, own_weights = weights.tensor_split([length], -1)
    mixed = (item_weights.flatten(2, 3) @ values).view(query.shape)
    parts = mixed.permute(0, 2, 3, 1, 4).flatten(3), own_weights.permute(0, 2, 3, 4, 1).flatten(3)
    return torch.cat(parts, -1)


def _by_head(part: Tensor, heads: int) -> Tensor:
    """(…, width) → (…, heads, width / heads)."""
    return part.view(*part.shape[:-1], heads, -1)


class ChainBlock(Protocol):
    """A block that a latent token runs through: attention, and what comes after it."""

    @property
    def attention(self) -> Attention:
        """The attention that mixes a token with what it sees."""
        ...

    def finish(self, attended: Tensor, hidden: Tensor, sequences: Packed) -> Tensor:
        """Return the block's output for a token.

        Args:
            attended: its weighted values, (…, width).
            hidden: the block's input, (…, width).
            sequences: the histories.
        """
        ...


class _WholeBlock(NamedTuple):
    """The parts of a Transformer block."""

    attention: Attention
    residual: Residual
    feed_forward: nn.Module

    def finish(self, attended: Tensor, hidden: Tensor, sequences: Packed) -> Tensor:
        mixed = self.residual.add_residual(self.attention.output(attended), hidden)
        return self.feed_forward(mixed, sequences)


class _BareAttention(NamedTuple):
    """Attention alone, without residual, norm and feed-forward part."""

    attention: Attention

    def finish(self, attended: Tensor, hidden: Tensor, sequences: Packed) -> Tensor:
        return self.attention.output(attended)


def whole_blocks(encoder: Encoder) -> list[ChainBlock]:
    """Return the blocks of an encoder that mixes by attention, as blocks for chains."""
    blocks: list[ChainBlock] = []
    for block in encoder.blocks:
        assert isinstance(block, Block) and isinstance(block.mixer, Residual)
        assert isinstance(block.mixer.inner, Attention)
        blocks.append(_WholeBlock(block.mixer.inner, block.mixer, block.feed_forward))
    return blocks


def bare_attention(encoder: Encoder) -> list[ChainBlock]:
    """Return the first block's attention as the only block. It attends to the embeddings of the items."""
    return [_BareAttention(whole_blocks(encoder)[0].attention)]
