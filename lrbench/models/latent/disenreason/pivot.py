"""Stage 1, behaviour disentanglement: bands of a history's spectrum, pooled and fused into one pivot.

The real Fourier transform of length L (the protocol's maximum) has ⌊L/2⌋ + 1 bins. Each band has equally many
consecutive bins; the last one may have fewer. Filtering by a band is a circular convolution, so each band is
an L × L matrix here. The matrices of all bands add up to the identity. A shorter history is followed by zeros
up to L.

A band without bin 0 has mean 0 over the window. With mean pooling it therefore says nothing about a history
of length L.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from lrbench.arrays import Int64s
from lrbench.data.packing import Packed
from lrbench.models.latent.disenreason.rows import by_row

__all__ = ["Pivot", "PivotForm", "Pooling", "band_bins", "band_filters"]

PivotForm = Literal["bands", "shuffled-bands", "whole", "last"]
Pooling = Literal["attention", "mean", "rms"]


def band_bins(length: int, bands: int, shuffled: bool = False) -> list[Int64s]:
    """Return the bins of each band. All but the last are equally wide, so there may be fewer than asked for.

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
    """One vector of an account, ``p = Σ_b α_b·q_b``.

    ``q_b = LayerNorm(pool(x_b))`` is the pooled band b, and ``α = softmax_b(v·tanh(W·q_b))``.

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
        attention = nn.Parameter(torch.zeros(width))
        self.attention: nn.Parameter | None = attention  # a; zeros weigh all positions equally
        self.norm = nn.LayerNorm(width)
        self.fuse: nn.Linear | None = nn.Linear(width, width)
        self.score: nn.Linear | None = nn.Linear(width, 1, bias=False)  # v

    def forward(self, states: Tensor, sequences: Packed, everywhere: bool) -> Tensor:
        """Return p of histories, (rows, width), from the states of their tokens, (tokens, width).

        Args:
            states: a token's state must not depend on later tokens.
            sequences: the histories.
            everywhere: whether the history up to each token is a row, (tokens, width). Otherwise each whole
                history is one, (sequences, width).
        """
        last = states if everywhere else states.index_select(0, sequences.last)
        if self.form == "last":
            return last
        pooled = by_row(self._pooled, last, states, sequences, everywhere)  # (rows, bands, width)
        banded: Tensor = self.norm(pooled)
        if self.fuse is None or self.score is None:  # there is one band
            return banded[:, 0]
        weights = self.score(self.fuse(banded).tanh()).softmax(1)
        fused: Tensor = (weights * banded).sum(1)
        return fused

    def _pooled(self, seen: Tensor, _: Tensor, states: Tensor) -> Tensor:
        """Return the pooled bands of a group's rows, (sequences, rows, bands, width).

        Pooling is a weighted sum over the positions of a band, and a band is its filter times the states. So
        weights times filter are weights of the states, and no band is computed itself. Only the root mean
        square needs the bands.

        Args:
            seen: which states a row has, (sequences or 1, rows, length).
            states: (sequences, length, width).
        """
        length = states.shape[1]
        filters = self.filters[:, :length, :length].to(states.dtype)
        places = seen.unsqueeze(1)  # (sequences or 1, 1, rows, length)
        counts = places.sum(-1, keepdim=True).to(states.dtype)
        if self.pooling == "rms":
            shown = (states.unsqueeze(1) * seen.unsqueeze(-1)).unsqueeze(2)
            filtered = filters @ shown  # (sequences, rows, bands, length, width)
            squares = filtered.square() * seen[:, :, None, :, None]
            return (squares.sum(3) / counts.transpose(1, 2) + 1e-12).sqrt()
        if self.pooling == "mean":
            weights = places / counts
        else:
            assert self.attention is not None  # other poolings leave it out
            shown = (states @ self.attention).unsqueeze(1) * seen  # (sequences, rows, length)
            scores = shown.unsqueeze(1) @ filters.mT  # (sequences, bands, rows, length)
            weights = scores.masked_fill(~places, -torch.inf).softmax(-1)
        spread = (weights @ filters) * places  # (sequences, bands, rows, length)
        return (spread @ states.unsqueeze(1)).transpose(1, 2)
