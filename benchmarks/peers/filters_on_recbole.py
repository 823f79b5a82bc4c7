"""FMLP-Rec and BSARec in RecBole's SASRec, trained as in the authors' code.

Every prefix is a row, padded to the maximum length. Filters apply Fourier transforms to the padded rows.
Sources: woofjin/FMLP-Rec and yehjin-shin/BSARec.
"""

from typing import Any

import torch
from recbole.model.sequential_recommender.sasrec import SASRec
from torch import Tensor, nn

CUTOFF, SHARE = 5, 0.7


class LearnedFilter(nn.Module):
    """Multiplies every frequency and channel by a complex weight."""

    def __init__(self, length: int, width: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, length // 2 + 1, width, 2) * 0.02)
        self.dropout, self.norm = nn.Dropout(dropout), nn.LayerNorm(width, eps=1e-12)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(rows, length, width) → the same."""
        spectrum = torch.fft.rfft(hidden, dim=1, norm="ortho") * torch.view_as_complex(self.weight)
        filtered = torch.fft.irfft(spectrum, n=hidden.shape[1], dim=1, norm="ortho")
        return self.norm(self.dropout(filtered) + hidden)


class Rescaled(nn.Module):
    """Returns the low frequencies plus a multiple of the high ones."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(1, 1, width))
        self.dropout, self.norm = nn.Dropout(dropout), nn.LayerNorm(width, eps=1e-12)

    def forward(self, hidden: Tensor) -> Tensor:
        """(rows, length, width) → the same."""
        spectrum = torch.fft.rfft(hidden, dim=1, norm="ortho")
        spectrum[:, CUTOFF // 2 + 1 :] = 0
        low = torch.fft.irfft(spectrum, n=hidden.shape[1], dim=1, norm="ortho")
        return self.norm(self.dropout(low + self.scale**2 * (hidden - low)) + hidden)


class Mixed(nn.Module):
    """Returns the rescaled frequencies plus the attention of the block."""

    def __init__(self, attention: nn.Module, width: int, dropout: float) -> None:
        super().__init__()
        self.attention, self.rescaled = attention, Rescaled(width, dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(rows, length, width) → the same."""
        return SHARE * self.rescaled(hidden) + (1 - SHARE) * self.attention(hidden, mask)


class FmlpOnRecBole(SASRec):
    """SASRec with learned filters instead of attention."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        for block in self.trm_encoder.layer:
            sizes = self.max_seq_length, self.hidden_size, self.hidden_dropout_prob
            block.multi_head_attention = LearnedFilter(*sizes)


class BsarecOnRecBole(SASRec):
    """SASRec with filters beside attention."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        for block in self.trm_encoder.layer:
            sizes = self.hidden_size, self.hidden_dropout_prob
            block.multi_head_attention = Mixed(block.multi_head_attention, *sizes)
