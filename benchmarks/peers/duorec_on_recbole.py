"""DuoRec's training step on RecBole's SASRec, as in the authors' code: three passes over each padded row."""

from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.sequential_recommender.sasrec import SASRec
from torch import Tensor

WEIGHT = 0.1


class DuorecOnRecBole(SASRec):
    """SASRec with a contrast of two further views of a row.

    One view is the row under another dropout. The other is another history with the same target.
    """

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return the cross-entropy plus the contrast of both views among all rows of the batch."""
        rows, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        # Rows with the same target cost as much as other rows.
        views = torch.cat(
            [self(rows, lengths), self(rows.roll(1, 0), lengths.roll(1, 0))]
        )  # (2 · rows, width)
        similar = (views @ views.T).fill_diagonal_(-torch.inf)
        partners = torch.arange(len(views)).roll(len(rows))
        loss: Tensor = super().calculate_loss(interaction) + WEIGHT * F.cross_entropy(similar, partners)
        return loss
