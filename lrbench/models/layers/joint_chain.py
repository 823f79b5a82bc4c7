"""Chains of latent tokens with one attention operation per block, for devices where starting one is slow.

:mod:`lrbench.models.layers.token_chain` explains chains. It computes the scores of a chain's own tokens
separately. That takes the least arithmetic, but about 40 operations per token and block. Here all chains of a
sequence are keys beside its items, and a mask hides all chains but a token's own. That takes more arithmetic,
but one operation. The states are the same.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.layers.token_chain import ChainBlock, Chains, Memory

__all__ = ["JointChains", "chains_after"]


def chains_after(
    blocks: Sequence[ChainBlock], sequences: Packed, memories: Sequence[Memory], everywhere: bool
) -> "Chains | JointChains":
    """Return growing chains in the form that is fast on the device; see :class:`Chains` for the arguments."""
    if everywhere and sequences.items.device.type != "cpu":
        return JointChains(blocks, sequences, memories)
    return Chains(blocks, sequences, memories, everywhere)


class JointChains:
    """Growing chains after every item.

    Args:
        blocks: the blocks that a latent token runs through.
        sequences: the histories.
        memories: one for each of these blocks, from :func:`encode_items`.
    """

    def __init__(self, blocks: Sequence[ChainBlock], sequences: Packed, memories: Sequence[Memory]) -> None:
        self._blocks = blocks
        self._sequences = sequences
        self._weights = [block.attention.joined() for block in blocks]
        # keys and values so far of each block and group, (sequences, keys, width) each
        self._seen = [[Memory(*parts) for parts in sequences.padded_groups(*memory)] for memory in memories]
        self._masks: list[Tensor] = []  # of each group, (places, keys)

    def extend(self, hidden: Tensor) -> Tensor:
        """Append one token to every chain.

        Args:
            hidden: inputs, (tokens, streams, width). Streams are chains of one item that do not see each
                other.

        Returns:
            The token's states after the last block, (tokens, streams, width).
        """
        self._masks = self._longer_masks(hidden)
        for block, weights, seen in zip(self._blocks, self._weights, self._seen, strict=True):
            padded = self._sequences.padded_groups(F.linear(hidden, *weights))
            mixed = []
            for number, (own,) in enumerate(padded):
                seen[number], attended = _attend(block, seen[number], self._masks[number], own)
                mixed.append(attended)
            hidden = block.finish(self._sequences.without_padding(mixed), hidden, self._sequences)
        return hidden

    def _longer_masks(self, hidden: Tensor) -> list[Tensor]:
        """Return the additive mask of each group for the next token: 0 at keys that it sees, −∞ elsewhere.

        A place is one chain: every item has one for each stream. The keys are first the items. Then, for
        each token that the chains have so far, there is one key per place. A token sees those of its place.
        """
        streams, longer = hidden.shape[1], []
        for number, group in enumerate(self._sequences.groups):
            places = group.length * streams
            own = hidden.new_full((places, places), -torch.inf).fill_diagonal_(0)
            if self._masks:
                before = self._masks[number]
            else:
                later = hidden.new_full((group.length, group.length), -torch.inf).triu(1)
                before = later if streams == 1 else later.repeat_interleave(streams, 0)
            longer.append(torch.cat((before, own), 1))
        return longer


def _attend(block: ChainBlock, seen: Memory, mask: Tensor, own: Tensor) -> tuple[Memory, Tensor]:
    """Attend to all keys so far and to the new tokens themselves.

    Args:
        block: gives heads and dropout.
        seen: keys and values so far, (sequences, keys, width).
        mask: added to the scores, (places, keys + places), where places = length · streams.
        own: queries, keys and values of the new tokens, (sequences, length, streams, 3 · width).

    Returns:
        Keys and values, now with those of the new tokens, (sequences, keys + places, width), and the
        weighted values, (sequences, length, streams, width).
    """
    attention = block.attention
    sequences, length, streams, width = own.shape
    query, key, value = own.view(sequences, length * streams, 3, width // 3).unbind(2)
    joint = Memory(torch.cat((seen.keys, key), 1), torch.cat((seen.values, value), 1))
    heads = [part.view(*part.shape[:2], attention.heads, -1).transpose(1, 2) for part in (query, *joint)]
    mixed = F.scaled_dot_product_attention(
        heads[0],
        heads[1],
        heads[2],
        attn_mask=mask.to(query.dtype),
        dropout_p=attention.dropout.p if attention.training else 0.0,
    )  # (sequences, heads, places, …)
    return joint, mixed.transpose(1, 2).reshape(sequences, length, streams, width // 3)
