"""D3 (arXiv 2406.14900): no length normalisation, and a text-free assistant for each token of the answer.

A next token ``a`` after the tokens ``π`` of an answer has the score
``g · log p_LM(a|π) + (1 − g) · log p_CF(a|π)``. The softmax of SASRec's scores gives every item a
probability. ``p_CF(a|π)`` is the sum below ``πa`` divided by the sum below ``π``, with 1e-20 added to each.

The released script leaves ``g`` at 1, which switches the assistant off. Here ``language_weight`` is ``g`` and
its default is below 1. Choose it on validation.
"""

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
    AssistedRecommender,
    FineTuning,
)
from lrbench.models.language.bigrec_beam import SFT_DEFAULTS
from lrbench.models.language.recommender import Mixes
from lrbench.models.language.scoring import Mix

__all__ = ["D3", "D3Config"]

_SMALLEST = 1e-20


class D3Config(AssistedConfig):
    """The weight of the language model."""

    source = "D3's code (arXiv 2406.14900)"

    language_weight: float = Field(default=0.5, gt=0, le=1)
    """g, the weight of the language model (paper: between 0.1 and 0.9 by validation; released script: 1). 1:
    no assistant."""

    length_penalty: float = Field(default=0.0, ge=0)
    """Log-likelihoods are divided by the number of target tokens to this power (code: 0)."""

    @property
    def assisted(self) -> bool:
        """Whether the assistant has a part in ranking."""
        return self.language_weight < 1


class D3(AssistedRecommender[D3Config]):
    """A fine-tuned language model whose tokens are also scored by SASRec."""

    Config = D3Config
    summary = "Language model fine-tuned on titles, with SASRec in its beam search (D3, arXiv 2406.14900)."
    authors_training = AuthorsTraining(
        settings=SFT_DEFAULTS,
        note="These are of sft. The authors choose the epoch by the validation loss, lrbench by the "
        "protocol's metric.",
    )
    stages: ClassVar = {"assistant": AssistantTraining, "sft": FineTuning}
    default_stages = ("assistant", "sft")
    stage_defaults: ClassVar = {"sft": SFT_DEFAULTS}

    def mixes(self, sequences: Packed) -> Mixes | None:
        """Return the change of edges' scores for a part of the sequences."""
        if self.assistant is None:
            return None
        shares = self.assistant_scores(sequences).double().softmax(-1)  # (sequences, items)
        logs = self._edge_logs(shares)  # (sequences, nodes)
        weight = self.config.language_weight

        def of(places: Tensor) -> Mix:
            own = logs[places]

            def mixed(log: Tensor, row: Tensor, child: Int64s) -> Tensor:
                node = torch.from_numpy(child).to(log.device)
                return weight * log + (1 - weight) * own[row, node].to(log.dtype)

            return mixed

        return of

    def _edge_logs(self, shares: Tensor) -> Tensor:
        """log p_CF of the edge that leads to each node, (sequences, nodes); 0 at the root."""
        trie, device = self.trie, shares.device

        def there(numbers: Int64s) -> Tensor:
            return torch.from_numpy(numbers).to(device)

        at_leaves = shares.new_zeros(len(shares), trie.n_nodes).index_add_(
            1, there(trie.leaf_of_item), shares
        )
        before = torch.nn.functional.pad(at_leaves.cumsum(1), (1, 0))  # preorder: a subtree is a range
        below = (before[:, there(trie.stop)] - before[:, :-1]).clamp(min=0) + _SMALLEST  # (sequences, nodes)
        parent = there(trie.parent[1:])
        sums = torch.zeros_like(below).index_add_(1, parent, below[:, 1:])
        logs = torch.zeros_like(below)
        logs[:, 1:] = below[:, 1:].log() - sums[:, parent].log()
        return logs
