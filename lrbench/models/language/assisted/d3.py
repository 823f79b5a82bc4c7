"""D3 (arXiv 2406.14900): no length normalisation, and a text-free assistant for each token of the answer.

D3 is ``bigrec-beam`` with two changes. Scores of answers are not divided by their length. And SASRec, which
reads no text, assists: a next token ``a`` after the tokens ``π`` of an answer has the score
``g · log p_LM(a|π) + (1 − g) · log p_CF(a|π)``. The softmax of SASRec's scores gives every item a
probability. ``p_CF(a|π)`` is the probability of all items whose answers begin with ``πa``, divided by that of
all items whose answers begin with ``π``. Before the division, 1e-20 is added for each next token.

The released script leaves ``g`` at 1, which switches the assistant off. Here the option ``language_weight``
is ``g``. It is chosen on validation unless it is set.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from lrbench.arrays import Int64s
from lrbench.data.packing import Packed
from lrbench.models.base import AuthorsTraining
from lrbench.models.language.assisted.recommender import (
    AssistantTraining,
    AssistedConfig,
    AssistedFineTuning,
    AssistedRecommender,
    WeightChoice,
)
from lrbench.models.language.bigrec_beam import SFT_DEFAULTS
from lrbench.models.language.recommender import Mixes, cut_parts
from lrbench.models.language.scoring import Mix

__all__ = ["D3", "D3Config"]

_SMALLEST = 1e-20


class D3Config(AssistedConfig):
    """The weight of the language model."""

    source = "D3's code (arXiv 2406.14900)"
    with_assistant = "set language_weight below 1"

    language_weight: float | None = Field(default=None, gt=0, le=1)
    """g, the weight of the language model. Not set: stage ``choice`` takes the best of 0.1, 0.2, …, 0.9 on
    validation (paper). 1: there is no assistant (released script)."""

    length_penalty: float = Field(default=0.0, ge=0)
    """The score of a title is divided by its number of tokens to this power (code: 0). 0: no length
    normalisation."""

    @property
    def assisted(self) -> bool:
        """Whether the assistant has a part in ranking."""
        return self.language_weight is None or self.language_weight < 1

    @property
    def weight(self) -> float | None:
        """The weight in ranking; ``None``: it is chosen on validation."""
        return self.language_weight


class D3(AssistedRecommender[D3Config]):
    """A fine-tuned language model whose tokens are also scored by SASRec."""

    Config = D3Config
    summary = "Language model fine-tuned on titles, with SASRec in its beam search (D3, arXiv 2406.14900)."
    authors_training = AuthorsTraining(
        note="Stage sft has them by default. The authors choose the epoch by the validation loss, lrbench by "
        "the protocol's metric.",
    )
    stages: ClassVar = {"assistant": AssistantTraining, "sft": AssistedFineTuning, "choice": WeightChoice}
    default_stages = ("assistant", "sft", "choice")
    stage_defaults: ClassVar = {"sft": SFT_DEFAULTS}
    weights = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    first_weight = 1.0

    def mixes(self, sequences: Packed) -> Mixes | None:
        """Return what mixes SASRec into the scores of the trie's edges; ``None``: nothing is mixed in."""
        if self.weight == 1:
            return None
        scores, weight = self.assistant_scores(sequences), self.weight
        return lambda places: _mix(self._assistant_logs(scores[places]), weight)

    def encode_with(self, sequences: Packed, weights: Sequence[float]) -> Tensor:
        """Scores of all items with each weight, (weights, sequences, items). Prompts are read only once."""
        assistant, rows = self.assistant_scores(sequences), self.prompts.of(sequences)
        scores = torch.empty(len(weights), len(rows), self.n_items, device=assistant.device)
        for part in cut_parts(rows, self.config.part_tokens):
            prompts = self.language.read([rows[row] for row in part], assistant.device)
            places = torch.from_numpy(part).to(assistant.device)
            logs = self._assistant_logs(assistant[places])
            for index, weight in enumerate(weights):
                scores[index, places] = self.ranked(prompts, _mix(logs, weight))
        return scores

    def _assistant_logs(self, scores: Tensor) -> Tensor:
        """log p_CF of the edge to each node, (rows, nodes), from SASRec's scores, (rows, items)."""
        return self._edge_logs(scores.double().softmax(-1))

    def _edge_logs(self, shares: Tensor) -> Tensor:
        """log p_CF of the edge to each node, (rows, nodes), and 0 at the root.

        Args:
            shares: probability of each item, (rows, items).
        """
        trie, device = self.trie, shares.device

        def there(numbers: Int64s) -> Tensor:
            return torch.from_numpy(numbers).to(device)

        at_leaves = shares.new_zeros(len(shares), trie.n_nodes).index_add_(
            1, there(trie.leaf_of_item), shares
        )
        before = torch.nn.functional.pad(at_leaves.cumsum(1), (1, 0))  # preorder: a subtree is a range
        below = (before[:, there(trie.stop)] - before[:, :-1]).clamp(min=0) + _SMALLEST  # (rows, nodes)
        parent = there(trie.parent[1:])
        sums = torch.zeros_like(below).index_add_(1, parent, below[:, 1:])
        logs = torch.zeros_like(below)
        logs[:, 1:] = below[:, 1:].log() - sums[:, parent].log()
        return logs


def _mix(logs: Tensor, weight: float) -> Mix:
    """Return what mixes the language model's log-probabilities with the assistant's, (rows, nodes)."""

    def mixed(log: Tensor, row: Tensor, child: Int64s) -> Tensor:
        node = torch.from_numpy(child).to(log.device)
        return weight * log + (1 - weight) * logs[row, node].to(log.dtype)

    return mixed
