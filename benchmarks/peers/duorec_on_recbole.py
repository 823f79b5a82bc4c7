"""DuoRec's training step as its authors' code takes it, on RecBole's SASRec: padded rows, encoded thrice."""

from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.sequential_recommender.sasrec import SASRec
from torch import Tensor

WEIGHT = 0.1


class DuorecOnRecBole(SASRec):
    """Contrasts two more views of a row: under another dropout, and of another history with its target."""

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Cross-entropy, and a contrast of both views among all rows of the batch."""
        rows, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        # Rows of the same target cost as much as any others.
        views = torch.cat(
            [self(rows, lengths), self(rows.roll(1, 0), lengths.roll(1, 0))]
        )  # (2 · rows, width)
        similar = (views @ views.T).fill_diagonal_(-torch.inf)
        partners = torch.arange(len(views)).roll(len(rows))
        loss: Tensor = super().calculate_loss(interaction) + WEIGHT * F.cross_entropy(similar, partners)
        return loss
