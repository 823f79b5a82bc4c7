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


def beam_scores(
    end: Continuation, trie: Trie, beams: int, length_penalty: float, mix: Mix | None = None
) -> Tensor:
    """Score the items that a beam search finds, and give all others one lower score, (rows, items).

    Args:
        end: prompts, perhaps with latents in one branch.
        trie: of the answers.
        beams: how many unfinished answers are followed, and how many finished ones are kept.
        length_penalty: the score of an answer is divided by its number of tokens to this power.
        mix: as for :func:`lrbench.models.language.scoring.answer_scores`.
    """
    rows, device = len(end.lengths), end.lengths.device
    found = torch.full((rows, trie.n_nodes), -torch.inf, device=device)  # finished answers, at their leaves
    live = _Beams(
        row=torch.arange(rows, device=device),
        slot=torch.zeros(rows, dtype=torch.long, device=device),
        node=torch.zeros(rows, dtype=torch.long, device=device),
        score=torch.zeros(rows, device=device),
        state=end.end[:, 0],
        seen=torch.ones(rows, len(end.branches), dtype=torch.bool, device=device),
    )
    kept = found.new_full((rows, beams), -torch.inf)  # the best answers that have ended
    longest = int(trie.depth.max())
    while len(live.row):
        row, parent, node, score = _extended(end, trie, live, mix)
        best = _best(row, score, 2 * beams)
        leaf = torch.from_numpy(trie.is_leaf).to(device)[node]
        place = _place(row[best])
        ends = leaf[best] & (place < beams)
        done = best[ends]
        length = torch.from_numpy(trie.depth).to(device)[node[done]]
        ended = score[done] / length**length_penalty
        found[row[done], node[done]] = ended
        new = torch.full_like(kept, -torch.inf).index_put_((row[done], place[ends]), ended)
        kept = torch.cat((kept, new), 1).topk(beams, 1).values
        open_ = best[~leaf[best]]
        open_ = open_[_place(row[open_]) < beams]
        # A beam is given up when even the longest answer could not bring it among those that are kept.
        open_ = open_[score[open_] / longest**length_penalty > kept[row[open_], -1]]
        if not len(open_):
            break
        end, live = _read(end, trie, live, row[open_], parent[open_], node[open_], score[open_])
    return _of_items(found, trie, beams)


def _extended(end: Continuation, trie: Trie, live: _Beams, mix: Mix | None) -> tuple[Tensor, ...]:
    """Return row, beam, child node and score of every allowed next token, (edges,) each, row by row."""
    device = live.row.device
    children, of = trie.children_of(live.node.cpu().numpy())
    parent = torch.from_numpy(of).to(device)
    logs = end.network.logits(live.state).log_softmax(-1)  # (beams, vocabulary)
    edge = logs[parent, torch.from_numpy(trie.token[children]).to(device)]
    if mix is not None:
        edge = mix(edge, live.row[parent], children)
    return live.row[parent], parent, torch.from_numpy(children).to(device), live.score[parent] + edge


def _best(row: Tensor, score: Tensor, count: int) -> Tensor:
    """Return where the ``count`` best scores of each row are, row by row, the best first."""
    by_score = score.argsort(descending=True, stable=True)
    order = by_score[row[by_score].argsort(stable=True)]
    return order[_place(row[order]) < count]


def _place(row: Tensor) -> Tensor:
    """Return the place of each entry among those of its row. ``row`` must be ascending."""
    first = torch.searchsorted(row, row, side="left")
    return torch.arange(len(row), device=row.device) - first


def _read(
    end: Continuation, trie: Trie, live: _Beams, row: Tensor, parent: Tensor, node: Tensor, score: Tensor
) -> tuple[Continuation, _Beams]:
    """Read the new tokens of the beams. Rows with fewer beams than others are padded."""
    rows, device, slot = len(end.lengths), row.device, _place(row)
    slots = int(slot.max()) + 1
    tokens = torch.zeros(rows, slots, dtype=torch.long, device=device)
    tokens[row, slot] = torch.from_numpy(trie.token).to(device)[node]
    depth = int(trie.depth[int(node[0])])  # the same for all beams
    before = torch.zeros(rows, slots, live.seen.shape[1], dtype=torch.bool, device=device)
    before[row, slot] = live.seen[parent]
    itself = torch.eye(slots, dtype=torch.bool, device=device).expand(rows, -1, -1)
    seen = torch.cat((before, itself), 2)  # (rows, slots, appended + slots)
    positions = (end.lengths + end.branch_length + depth - 1)[:, None].expand(-1, slots)
    states, cache = end.appended(end.network.embed(tokens), positions, seen)  # (rows, slots, width)
    return replace(end, cache=cache), _Beams(row, slot, node, score, states[row, slot], seen[row, slot])


def _of_items(found: Tensor, trie: Trie, beams: int) -> Tensor:
    """Give every item the score of its answer, or the lower score if it was not found, (rows, items)."""
    best = found.topk(min(beams, found.shape[1]), 1)
    kept = torch.full_like(found, -torch.inf).scatter(1, best.indices, best.values)
    lowest = kept.masked_fill(kept.isinf(), torch.inf).amin(1, keepdim=True)
    scores = kept[:, torch.from_numpy(np.ascontiguousarray(trie.leaf_of_item)).to(found.device)]
    return torch.where(scores.isinf(), lowest - BEYOND, scores)
