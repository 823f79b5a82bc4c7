"""Log-likelihoods of all titles: the tokens of the trie are read in chunks that continue the same prompts.

A token of the trie sees the prompt and the tokens above it in the trie. So a beginning that several titles
share is read once for each user. The result is that of reading one title at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lrbench.arrays import Int64s
from lrbench.models.language.continuation import Continuation
from lrbench.models.language.trie import Trie

__all__ = ["Mix", "answer_scores"]

_CHUNK = 384  # tokens of the trie that are read at once

Mix = Callable[[Tensor, Tensor, Int64s], Tensor]
"""Changes the scores of edges of the trie.

It takes the log-probability of each edge under the language model, its row, and its child node, (edges,)
each. It returns the scores of the edges, (edges,).
"""


@dataclass(frozen=True)
class _Chunk:
    nodes: Int64s  # (read,) nodes to read: first those above the chunk, then its own
    children: Int64s  # (edges,) children of its own nodes
    parents: Int64s  # (edges,) place of the parent of each child in `nodes`


def answer_scores(context: Continuation, trie: Trie, length_penalty: float, mix: Mix | None = None) -> Tensor:
    """Score every item by the log-likelihood of its answer, (rows, items).

    Args:
        context: prompts, perhaps with latents in one branch.
        trie: of the answers.
        length_penalty: the sum over tokens is divided by their number to this power.
        mix: changes the score of each edge of the trie; ``None``: the score is the log-probability.
    """
    rows, device = len(context.lengths), context.lengths.device
    edges = torch.zeros(rows, trie.n_nodes, device=device)  # score of the edge that leads to each node
    children, _ = trie.children_of(np.array([0]))
    edges[:, children] = _edges(
        context, context.last_states, children, np.zeros(len(children), np.int64), trie, mix
    )
    for chunk in _chunks(trie):
        nodes = torch.from_numpy(chunk.nodes).to(device)
        stops = torch.from_numpy(trie.stop[chunk.nodes]).to(device)
        seen = (nodes <= nodes[:, None]) & (nodes[:, None] < stops)  # ancestors and itself
        before = torch.ones(len(nodes), len(context.branches), dtype=torch.bool, device=device)
        depth = torch.from_numpy(trie.depth[chunk.nodes]).to(device)
        positions = context.lengths[:, None] + context.branch_length + depth - 1
        tokens = torch.from_numpy(trie.token[chunk.nodes]).to(device)
        embedded = context.network.embed(tokens).expand(rows, -1, -1)
        states, _ = context.appended(embedded, positions, torch.cat((before, seen), 1))
        edges[:, chunk.children] = _edges(context, states, chunk.children, chunk.parents, trie, mix)
    for level in range(2, int(trie.depth.max()) + 1):
        nodes_there = np.flatnonzero(trie.depth == level)
        edges[:, nodes_there] += edges[:, trie.parent[nodes_there]]
    lengths = torch.from_numpy(trie.depth[trie.leaf_of_item]).to(device)
    return edges[:, trie.leaf_of_item] / lengths**length_penalty


def _edges(
    context: Continuation, states: Tensor, children: Int64s, parents: Int64s, trie: Trie, mix: Mix | None
) -> Tensor:
    """Score edges, (rows, edges), from the states of their parents.

    Args:
        context: prompts and latents.
        states: of the tokens that were read, (rows, read, width).
        children: the node that each edge leads to, (edges,).
        parents: place of the parent of each child among the tokens that were read, (edges,).
        trie: of the answers.
        mix: as for :func:`answer_scores`.
    """
    logs = context.network.logits(states).log_softmax(-1)  # (rows, read, vocabulary)
    found = logs[:, torch.from_numpy(parents), torch.from_numpy(trie.token[children])]  # (rows, edges)
    if mix is None:
        return found
    row = torch.arange(len(found), device=found.device).repeat_interleave(len(children))
    return mix(found.flatten(), row, np.tile(children, len(found))).view_as(found)


def _chunks(trie: Trie) -> list[_Chunk]:
    """Cut the nodes that have children, but for the root, into chunks. Each holds the nodes above it too."""
    inner = np.flatnonzero(~trie.is_leaf)[1:]
    chunks = []
    for start in range(0, len(inner), _CHUNK):
        own = inner[start : start + _CHUNK]
        above = np.array(trie.path(int(own[0])), dtype=np.int64)
        children, parents = trie.children_of(own)
        chunks.append(_Chunk(np.concatenate([above, own]), children, parents + len(above)))
    return chunks
