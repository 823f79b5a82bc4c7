"""Beam search among the titles of a catalogue. All beams of a user continue the same prompt.

Scores of tokens are log-probabilities over the whole vocabulary, not over the allowed tokens alone, as in
D3's code. Items that the search does not find rank below those that it finds. Nothing else is known about
them, so they share one score and are tied.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lrbench.models.language.continuation import Continuation
from lrbench.models.language.scoring import Mix
from lrbench.models.language.trie import Trie

__all__ = ["BEYOND", "beam_scores"]

BEYOND = 20.0
"""How far the score of items that were not found is below the lowest score of a found one, in nats."""


@dataclass(frozen=True)
class _Beams:
    """The unfinished answers of all rows."""

    row: Tensor  # (beams,) the prompt that each continues, ascending
    slot: Tensor  # (beams,) place among the beams of its row
    node: Tensor  # (beams,) node of the trie that it has reached
    score: Tensor  # (beams,) sum over its tokens
    state: Tensor  # (beams, width) of its last token
    seen: Tensor  # (beams, appended) whether an appended token belongs to it


@dataclass(frozen=True)
class _Extensions:
    """Beams with one more token each, row by row."""

    row: Tensor  # (extensions,) the prompt that each continues, ascending
    beam: Tensor  # (extensions,) which beam it extends
    node: Tensor  # (extensions,) node of the trie that it reaches
    score: Tensor  # (extensions,) sum over its tokens

    def taken(self, which: Tensor) -> "_Extensions":
        """Return some of them: those that a mask marks, or those at given places in this order."""
        return _Extensions(self.row[which], self.beam[which], self.node[which], self.score[which])

    def best(self, count: int) -> "_Extensions":
        """Return the ``count`` best of each row, row by row, the best first."""
        by_score = self.score.argsort(descending=True, stable=True)
        order = by_score[self.row[by_score].argsort(stable=True)]
        return self.taken(order[_place(self.row[order]) < count])


class _Answers:
    """The answers that have ended.

    Args:
        rows: prompts.
        nodes: of the trie.
        beams: how many answers of a row are kept.
        device: where to put the scores.
    """

    def __init__(self, rows: int, nodes: int, beams: int, device: torch.device) -> None:
        self.scores = torch.full((rows, nodes), -torch.inf, device=device)  # at their leaves
        self.kept = self.scores.new_full((rows, beams), -torch.inf)  # of the best ones, descending

    def add(self, ended: _Extensions, place: Tensor, scores: Tensor) -> None:
        """Add answers that have just ended.

        Args:
            ended: the answers.
            place: of each among the best extensions of its row, less than the number of beams, (answers,).
            scores: of the answers, (answers,).
        """
        self.scores[ended.row, ended.node] = scores
        new = torch.full_like(self.kept, -torch.inf).index_put_((ended.row, place), scores)
        self.kept = torch.cat((self.kept, new), 1).topk(self.kept.shape[1], 1).values


def beam_scores(
    context: Continuation, trie: Trie, beams: int, length_penalty: float, mix: Mix | None = None
) -> Tensor:
    """Score the items that a beam search finds, and give all others one lower score, (rows, items).

    Args:
        context: prompts, perhaps with latents in one branch.
        trie: of the answers.
        beams: how many unfinished answers are followed, and how many finished ones are kept.
        length_penalty: the score of an answer is divided by its number of tokens to this power.
        mix: as for :func:`lrbench.models.language.scoring.answer_scores`.
    """
    rows, device = len(context.lengths), context.lengths.device
    is_leaf, depth = torch.from_numpy(trie.is_leaf).to(device), torch.from_numpy(trie.depth).to(device)
    longest = int(trie.depth.max())
    answers = _Answers(rows, trie.n_nodes, beams, device)
    live = _Beams(
        row=torch.arange(rows, device=device),
        slot=torch.zeros(rows, dtype=torch.long, device=device),
        node=torch.zeros(rows, dtype=torch.long, device=device),
        score=torch.zeros(rows, device=device),
        state=context.last_states[:, 0],
        seen=torch.ones(rows, len(context.branches), dtype=torch.bool, device=device),
    )
    while len(live.row):
        best = _extended(context, trie, live, mix).best(2 * beams)
        place, at_leaf = _place(best.row), is_leaf[best.node]
        ends = at_leaf & (place < beams)
        ended = best.taken(ends)
        answers.add(ended, place[ends], ended.score / depth[ended.node] ** length_penalty)
        unfinished = best.taken(~at_leaf)
        unfinished = unfinished.taken(_place(unfinished.row) < beams)
        # A beam is given up when even the longest answer could not bring it among those that are kept.
        highest = unfinished.score / longest**length_penalty
        unfinished = unfinished.taken(highest > answers.kept[unfinished.row, -1])
        if not len(unfinished.row):
            break
        context, live = _read(context, trie, live, unfinished)
    return _of_items(answers.scores, trie, beams)


def _extended(context: Continuation, trie: Trie, live: _Beams, mix: Mix | None) -> _Extensions:
    """Extend every beam by every allowed next token."""
    device = live.row.device
    children, parents = trie.children_of(live.node.cpu().numpy())
    beam = torch.from_numpy(parents).to(device)
    logs = context.network.logits(live.state).log_softmax(-1)  # (beams, vocabulary)
    edge = logs[beam, torch.from_numpy(trie.token[children]).to(device)]
    if mix is not None:
        edge = mix(edge, live.row[beam], children)
    return _Extensions(live.row[beam], beam, torch.from_numpy(children).to(device), live.score[beam] + edge)


def _place(row: Tensor) -> Tensor:
    """Return the place of each entry among those of its row. ``row`` must be ascending."""
    first = torch.searchsorted(row, row, side="left")
    return torch.arange(len(row), device=row.device) - first


def _read(context: Continuation, trie: Trie, live: _Beams, new: _Extensions) -> tuple[Continuation, _Beams]:
    """Read the new tokens of the beams. Rows with fewer beams than others are padded."""
    row, device, slot = new.row, new.row.device, _place(new.row)
    rows, slots = len(context.lengths), int(slot.max()) + 1
    tokens = torch.zeros(rows, slots, dtype=torch.long, device=device)
    tokens[row, slot] = torch.from_numpy(trie.token).to(device)[new.node]
    depth = int(trie.depth[int(new.node[0])])  # the same for all beams
    before = torch.zeros(rows, slots, live.seen.shape[1], dtype=torch.bool, device=device)
    before[row, slot] = live.seen[new.beam]
    itself = torch.eye(slots, dtype=torch.bool, device=device).expand(rows, -1, -1)
    seen = torch.cat((before, itself), 2)  # (rows, slots, appended + slots)
    positions = (context.lengths + context.branch_length + depth - 1)[:, None].expand(-1, slots)
    states, cache = context.appended(context.network.embed(tokens), positions, seen)  # (rows, slots, width)
    live = _Beams(row, slot, new.node, new.score, states[row, slot], seen[row, slot])
    return replace(context, cache=cache), live


def _of_items(found: Tensor, trie: Trie, beams: int) -> Tensor:
    """Give every item the score of its answer, or the lower score if it was not found, (rows, items)."""
    best = found.topk(min(beams, found.shape[1]), 1)
    kept = torch.full_like(found, -torch.inf).scatter(1, best.indices, best.values)
    lowest = kept.masked_fill(kept.isinf(), torch.inf).amin(1, keepdim=True)
    scores = kept[:, torch.from_numpy(np.ascontiguousarray(trie.leaf_of_item)).to(found.device)]
    return torch.where(scores.isinf(), lowest - BEYOND, scores)
