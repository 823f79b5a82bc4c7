"""BERT4Rec: bidirectional attention trained to fill in hidden items (Sun et al., CIKM 2019).

The network is that of RecBole 1.2.1: post-norm blocks, then a head of linear layer, GELU and LayerNorm.
Scores are dot products with the item table plus a bias per item. The loss is the full softmax cross-entropy.
Training rows are whole training sequences. Each epoch draws again which of their items a mask token hides. At
inference a mask token follows the history.

Two quirks of RecBole are not reproduced. Its loss ignores a hidden first item and hidden items beyond a
limit. At inference it drops the first item of every history. Here a history loses only what exceeds the
maximum length, unless ``drop_first = true``. There is no padding item. If the draw hides no item of a
sequence, its last one is hidden.

Some protocols limit the targets of training, as ``time-50`` does to items with high ratings. A mask token can
hide any item of a training sequence all the same. So BERT4Rec also learns to predict items that are no
targets of other models.

Published results come from long training: on MovieLens the best epochs are near 200. Use a large
``patience``.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lrbench.arrays import Bools
from lrbench.config.training import TrainingRows
from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.data.transfer import on_device
from lrbench.models.base import AuthorsTraining, GradientStage, Model, ModelConfig, Terms
from lrbench.models.layers.blocks import transformer
from lrbench.models.layers.embeddings import LAYER_NORM_EPSILON, InputEmbedding
from lrbench.models.layers.feed_forward import gelu
from lrbench.models.layers.initialisation import initialise
from lrbench.models.layers.sizes import TransformerSizes
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["BERT4Rec", "BERT4RecConfig", "Cloze"]


class BERT4RecConfig(TransformerSizes):
    """Sizes and masking."""

    source = "BERT4Rec of RecBole 1.2.1"

    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout rate on the input, on attention weights and on what each half of a block adds (RecBole:
    0.2)."""

    mask_ratio: float = Field(default=0.2, gt=0, lt=1)
    """Probability that a mask token hides an item (RecBole: 0.2)."""

    last_only: float = Field(default=0.5, ge=0, le=1)
    """Share of sequences in which only the last item is hidden (``ft_ratio`` of RecBole: 0.5)."""

    head: bool = True
    """``true``: a linear layer, GELU and LayerNorm come before the scores, and each item has a bias
    (RecBole). ``false``: item vectors score the states of the last block directly (Klenitskiy & Vasilev,
    RecSys 2023)."""

    drop_first: bool = False
    """Whether inference drops the first item of every history. If not, it drops only what exceeds the maximum
    length (RecBole: true; false is lrbench's choice)."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse heads that do not divide the width, and a maximum length without room for a mask token.

        Raises:
            ValueError: either is the case.
        """
        super().check_against_protocol(max_length, stages)
        if max_length < 2:
            raise ValueError(
                "a mask token needs a position of its own: the maximum length must be at least 2"
            )


class Cloze(GradientStage):
    """Cross-entropy of the items that mask tokens hide."""

    model: "BERT4Rec"

    @classmethod
    def rows_for(cls, model: type[Model], config: ModelConfig) -> TrainingRows:
        """Whole sequences: mask tokens hide the targets, so a state may see later items."""
        return "positions"

    def losses(self, batch: TrainingBatch) -> Terms:
        """Hide items and return the cross-entropy of their numbers as ``loss``."""
        model = self.model
        sequences = self._whole(batch)
        hidden = on_device(np.flatnonzero(self.draw(sequences)), batch.rows.device)  # (hidden,) tokens
        targets = sequences.items[hidden]
        shown = sequences.items.index_fill(0, hidden, model.n_items)
        states = model.states(sequences, shown).index_select(0, hidden)
        return {"loss": cross_entropy(states, model.item_vectors(), targets, model.score_dtype)}

    def draw(self, sequences: Packed) -> Bools:
        """Draw on the host which items to hide, (tokens,), at least one in each sequence."""
        config, host = self.model.config, sequences.host
        last = np.zeros(sequences.n_tokens, dtype=np.bool_)
        last[host.first + host.lengths - 1] = True
        hidden = (torch.rand(sequences.n_tokens) < config.mask_ratio).numpy()
        none = np.bincount(host.sequence_of[hidden], minlength=sequences.n_sequences) == 0
        at_last = (torch.rand(sequences.n_sequences) < config.last_only).numpy() | none
        return np.where(at_last[host.sequence_of], last, hidden)

    def _whole(self, batch: TrainingBatch) -> Packed:
        """Append the last target to each window, and drop the oldest item if that is too long."""
        sequences = batch.sequences
        return sequences.appended(
            batch.next_items, sequences.host.lengths.clip(max=self.model.max_length - 1)
        )


class Head(nn.Module):
    """A linear layer, GELU and LayerNorm between the last block and the scores, and a bias per item."""

    def __init__(self, width: int, n_items: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.bias = nn.Parameter(torch.zeros(n_items))

    def forward(self, encoded: Tensor) -> Tensor:
        """(…, width) → (…, width + 1). The last column is 1; scoring multiplies it by the items' biases."""
        return F.pad(self.norm(gelu(self.linear(encoded))), (0, 1), value=1.0)

    def items(self, vectors: Tensor) -> Tensor:
        """Append the biases to the items' vectors, (items, width) → (items, width + 1)."""
        return torch.cat((vectors, self.bias.unsqueeze(1)), 1)


class BERT4Rec(Model[BERT4RecConfig]):
    """Bidirectional Transformer with a mask token."""

    Config = BERT4RecConfig
    summary = "BERT4Rec: bidirectional attention, hidden items filled in (Sun et al. 2019; RecBole's form)."
    authors_training = AuthorsTraining({"batch_size": 2048, "rows": "prefixes"}, whose="RecBole")
    stages: ClassVar = {"cloze": Cloze}
    default_stages = ("cloze",)

    def __init__(self, config: BERT4RecConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width, dropout = config.width, config.dropout
        self.embedding = InputEmbedding(n_items + 1, max_length, width, dropout)  # the last is the mask token
        self.encoder = transformer(
            config.layers, width, config.heads, config.inner_width, dropout, dropout, causal=False
        )
        self.head = Head(width, n_items) if config.head else None
        initialise(self)

    @classmethod
    def causal(cls, config: BERT4RecConfig) -> bool:
        """No: every item sees all others."""
        return False

    def states(self, sequences: Packed, items: Tensor) -> Tensor:
        """State of every token that scores the items, (tokens, width), or width + 1 with a head.

        Args:
            sequences: the histories.
            items: the item shown at each token, (tokens,); ``n_items`` is the mask token.
        """
        return self._predict(self.encoder(self.embed(sequences, items), sequences))

    def embed(self, sequences: Packed, items: Tensor) -> Tensor:
        """Input of the blocks, with ``items`` in place of the sequences' own, (tokens, width)."""
        return self.embedding.finish(
            self.embedding.items(items) + self.embedding.positions(sequences.positions)
        )

    def _predict(self, encoded: Tensor) -> Tensor:
        """Turn states of the last block into states that score, (…, width), or width + 1 with a head."""
        if self.head is None:
            return encoded
        return self.head(encoded)

    def item_vectors(self) -> Tensor:
        """Item embeddings, followed by the biases of the head, (items, width or width + 1)."""
        vectors = self.embedding.items.weight[: self.n_items]
        return vectors if self.head is None else self.head.items(vectors)

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """State of a mask token after each history, (1, sequences, width or width + 1)."""
        lengths = sequences.host.lengths
        kept = lengths - 1 if self.config.drop_first else lengths
        mask = np.full(sequences.n_sequences, self.n_items)
        asked = sequences.appended(mask, kept.clip(max=self.max_length - 1))
        encoded = self.encoder.last(self.embed(asked, asked.items), asked)
        return self._predict(encoded).unsqueeze(0)

    def score(self, states: Tensor) -> Tensor:
        """Dot products with all items, plus the biases of the head, (rows, items)."""
        return states @ self.item_vectors().T
