"""A trie of answers: every title of the catalogue as a path of target tokens.

Nodes are numbered in preorder, so the nodes below a node have consecutive numbers. Every answer ends with the
same token, so no answer is the beginning of another. Items with equal answers share a leaf, because a
language model cannot tell them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.arrays import Bools, Int64s, ranges

__all__ = ["Trie", "build_trie"]


@dataclass(frozen=True)
class Trie:
    """The nodes in preorder. Node 0 is the root and has no token."""

    token: Int64s  # (nodes,) −1 at the root
    parent: Int64s  # (nodes,) −1 at the root
    depth: Int64s  # (nodes,) tokens from the root to it
    stop: Int64s  # (nodes,) one past the last node below it
    children: Int64s  # (nodes − 1,) nodes by parent, ascending
    first_child: Int64s  # (nodes + 1,) where the children of each node begin in `children`
    leaf_of_item: Int64s  # (items,) node of each item's answer

    @property
    def n_nodes(self) -> int:
        """Number of nodes, the root included."""
        return len(self.token)

    @property
    def is_leaf(self) -> Bools:
        """Which nodes end an answer, (nodes,)."""
        return np.diff(self.first_child) == 0

    def path(self, node: int) -> list[int]:
        """Return the nodes on the way to ``node``, from the child of the root to the parent of ``node``."""
        above: list[int] = []
        at = int(self.parent[node])
        while at > 0:
            above.append(at)
            at = int(self.parent[at])
        return above[::-1]

    def children_of(self, nodes: Int64s) -> tuple[Int64s, Int64s]:
        """Return all children of the nodes, and the place of each one's parent in ``nodes``, (children,)."""
        starts = self.first_child[nodes]
        counts = self.first_child[nodes + 1] - starts
        return self.children[ranges(starts, counts)], np.repeat(np.arange(len(nodes)), counts)


def build_trie(answers: Sequence[Sequence[int]]) -> Trie:
    """Build the trie of the items' answers.

    Args:
        answers: token numbers of each item's answer, (items,) of different lengths.

    Raises:
        ValueError: an answer is the beginning of another.
    """
    order = sorted(range(len(answers)), key=lambda item: tuple(answers[item]))
    token, parent, depth = [-1], [-1], [0]
    leaf_of_item = np.empty(len(answers), dtype=np.int64)
    path: list[int] = []  # nodes of the previous answer
    before: Sequence[int] = ()  # the previous answer
    for item in order:
        answer = answers[item]
        shared = 0
        while shared < min(len(answer), len(before)) and answer[shared] == before[shared]:
            shared += 1
        if path and shared == len(before) < len(answer):
            raise ValueError("an answer is the beginning of another; all must end with the same token")
        del path[shared:]
        for each in answer[shared:]:
            token.append(each)
            parent.append(path[-1] if path else 0)
            depth.append(len(path) + 1)
            path.append(len(token) - 1)
        leaf_of_item[item] = path[-1]
        before = answer
    parents = np.array(parent, dtype=np.int64)
    counts = np.bincount(parents[1:], minlength=len(parents))
    return Trie(
        token=np.array(token, dtype=np.int64),
        parent=parents,
        depth=np.array(depth, dtype=np.int64),
        stop=_stops(parents),
        children=np.argsort(parents[1:], kind="stable") + 1,
        first_child=np.concatenate([[0], np.cumsum(counts)]),
        leaf_of_item=leaf_of_item,
    )


def _stops(parents: Int64s) -> Int64s:
    """Return one past the last node below each node, (nodes,)."""
    stops = np.arange(1, len(parents) + 1)
    for node in range(len(parents) - 1, 0, -1):
        stops[parents[node]] = max(stops[parents[node]], stops[node])
    return stops
