"""Stage 1, behaviour disentanglement: bands of a history's spectrum, pooled and fused into one pivot.

The real Fourier transform of length L (the protocol's maximum) has ⌊L/2⌋ + 1 bins. Each band has equally many
consecutive bins. Filtering by a band is a circular convolution, so each band is an L × L matrix here. The
matrices of all bands add up to the identity. Zeros follow a history up to L.

Mean pooling makes all bands but the first vacuous: a band without bin 0 has mean 0 over the window.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from lrbench.arrays import Int64s
from lrbench.data.packing import Packed

__all__ = ["Pivot", "PivotForm", "Pooling", "band_bins", "band_filters"]

PivotForm = Literal["bands", "shuffled-bands", "whole", "last"]
Pooling = Literal["attention", "mean", "rms"]


def band_bins(length: int, bands: int, shuffled: bool = False) -> list[Int64s]:
    """Return the bins of each band. All but the last are equally wide, so there can be fewer than asked.

    Args:
        length: L, of the window.
        bands: number of bands.
        shuffled: a control. Each band gets random bins, the same ones in every model.
    """
    bins = np.arange(length // 2 + 1)
    width = -(-len(bins) // bands)
    if shuffled:
        bins = np.random.default_rng(0).permutation(bins)
    return [bins[start : start + width] for start in range(0, len(bins), width)]


def band_filters(length: int, bands: int, shuffled: bool = False) -> Tensor:
    """Return the matrix of each band's filter, (bands, length, length).

    Args:
        length: L, of the window.
        bands: number of bands, as in :func:`band_bins`.
        shuffled: as there.
    """
    spectrum = np.fft.rfft(np.eye(length), axis=0)  # (bins, length)
    filters = []
    for part in band_bins(length, bands, shuffled):
        kept = np.zeros_like(spectrum)
        kept[part] = spectrum[part]
        filters.append(np.fft.irfft(kept, length, axis=0))
    return torch.from_numpy(np.stack(filters))


class Pivot(nn.Module):
    """One vector of an account: p = Σ_b α_b · LayerNorm(pool(x_b)).

    Args:
        length: longest history.
        width: of the states.
        form: ``bands``; ``shuffled-bands``: bands of random bins; ``whole``: one band, no Fourier transform;
            ``last``: the last state.
        bands: number of bands.
        pooling: over a history's positions: learned attention, mean, or root mean square by channel.
    """

    filters: Tensor

    def __init__(self, length: int, width: int, form: PivotForm, bands: int, pooling: Pooling) -> None:
        super().__init__()
        self.form = form
        self.pooling = pooling
        if form == "last":
            return
        matrices = band_filters(length, 1 if form == "whole" else bands, form == "shuffled-bands")
        self.register_buffer("filters", matrices.to(torch.get_default_dtype()), persistent=False)
        self.attention = nn.Parameter(torch.zeros(width))  # a; zeros weigh all positions equally
        self.norm = nn.LayerNorm(width)
        self.fuse = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)  # v

    def forward(self, states: Tensor, sequences: Packed) -> Tensor:
        """Return p of each history, (sequences, width), from the states of its tokens, (tokens, width)."""
        last = states.index_select(0, sequences.last)
        if self.form == "last":
            return last
        pooled = sequences.map_last(self._pooled, last, states)  # (sequences, bands, width)
        banded: Tensor = self.norm(pooled)
        weights = self.score(self.fuse(banded).tanh()).softmax(1)
        fused: Tensor = (weights * banded).sum(1)
        return fused

    def _pooled(self, real: Tensor, _: Tensor, states: Tensor) -> Tensor:
        """Return the pooled bands of a group, (sequences, length, width) → (sequences, bands, width)."""
        length = states.shape[1]
        silent = states * real.unsqueeze(-1)
        filters = self.filters[:, :length, :length].to(states.dtype)
        filtered = filters @ silent.unsqueeze(1)  # (sequences, bands, length, width)
        places = real[:, None, :]
        counts = real.sum(1)[:, None, None].to(states.dtype)
        match self.pooling:
            case "attention":
                scores = (filtered @ self.attention).masked_fill(~places, -torch.inf)
                return (scores.softmax(-1).unsqueeze(-2) @ filtered).squeeze(-2)
            case "mean":
                return (filtered * places.unsqueeze(-1)).sum(2) / counts
            case _:
                return ((filtered.square() * places.unsqueeze(-1)).sum(2) / counts + 1e-12).sqrt()
