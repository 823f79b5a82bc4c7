"""Mixers that filter a history in the frequency domain, and blocks made of them.

A filter multiplies the discrete Fourier transform of a window of L positions with a weight per frequency.
That is a circular convolution over the window: ``y_t = Σ_s k_{(t−s) mod L} · x_s``. Its kernel k is the
inverse transform of the weights. In this form padding positions do not exist, and a history costs only its
own length. The convolution wraps around, so later items reach earlier ones. These mixers are therefore not
causal, and every prefix is a training row of its own.

The sources pad every history to the window with a learned token that takes part like an item. The models
here do so if ``padding = "tokens"``. By default there is no such token, so that no score depends on what it
learned.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.models.layers.attention import Attention
from lrbench.models.layers.blocks import Block, Encoder, Residual
from lrbench.models.layers.feed_forward import FeedForward
from lrbench.models.layers.layer import Layer

__all__ = [
    "FrequencyFilter",
    "FrequencyRescaler",
    "Mixture",
    "PaddedAttention",
    "bsarec_blocks",
    "check_cutoff",
    "fmlp_blocks",
]

_FORBIDDEN = -10_000.0  # is added to the scores of keys that a token must not see, as in the sources


def fmlp_blocks(n_blocks: int, width: int, window: int, dropout: float) -> Encoder:
    """Stack FMLP blocks: a learnable filter and a feed-forward part of inner width 4 · width, post-norm.

    Args:
        n_blocks: blocks.
        width: of the states.
        window: positions of the filter.
        dropout: rate on what each half of a block adds.
    """

    def block() -> Block:
        mixer = Residual(FrequencyFilter(width, window), width, dropout)
        return Block(mixer, Residual(FeedForward(width, 4 * width), width, dropout))

    return Encoder(block, n_blocks)


def bsarec_blocks(  # noqa: PLR0913, PLR0917 - the options of the block
    n_blocks: int,
    width: int,
    inner: int,
    window: int,
    dropout: float,
    attention: Callable[[], Attention],
    cutoff: int,
    share: float,
) -> Encoder:
    """Stack BSARec blocks: a rescaled-frequency branch beside attention, then a feed-forward part.

    Args:
        n_blocks: blocks.
        width: of the states.
        inner: width between the two layers of the feed-forward part.
        window: positions of the filter.
        dropout: rate on what each part of a block adds.
        attention: makes the attention of a block.
        cutoff: c. The lowest c//2 + 1 frequencies pass unchanged.
        share: weight of the frequency branch. That of attention is 1 − ``share``.
    """

    def block() -> Block:
        frequency = Residual(FrequencyRescaler(width, window, cutoff), width, dropout)
        mixer = Mixture(frequency, Residual(attention(), width, dropout), share)
        return Block(mixer, Residual(FeedForward(width, inner), width, dropout))

    return Encoder(block, n_blocks)


def check_cutoff(option: str, cutoff: int, window: int) -> None:
    """Refuse a cutoff at which all frequencies of a window pass unchanged: BSARec would rescale none.

    Args:
        option: its name in the model's configuration.
        cutoff: c. The lowest c//2 + 1 frequencies pass unchanged.
        window: positions. Their real Fourier transform has window//2 + 1 frequencies.

    Raises:
        ValueError: no frequency is left to rescale.
    """
    if cutoff // 2 + 1 >= window // 2 + 1:
        raise ValueError(
            f"{option} = {cutoff} leaves no high frequency in {window} positions; "
            f"set it to {2 * (window // 2) - 1} or less"
        )


class FrequencyFilter(Layer):
    """FMLP-Rec's filter: a learned complex weight per frequency and channel (Zhou et al., WWW 2022).

    Args:
        width: of the states.
        window: positions of the filter.
    """

    lags: Tensor

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("lags", _lags(window), persistent=False)
        self.complex_weight = nn.Parameter(torch.randn(window // 2 + 1, width, 2) * 0.02)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        kernel = self._kernel()

        def convolve(part: Tensor) -> Tensor:
            matrix = kernel[self.lags[: part.shape[1], : part.shape[1]]]  # (length, length, width)
            channels = part.permute(2, 1, 0)  # (width, length, sequences)
            filtered: Tensor = matrix.permute(2, 0, 1) @ channels
            return filtered.permute(2, 1, 0)

        return sequences.by_group_of_zeros(convolve, hidden)

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        return sequences.sums(self._kernel().index_select(0, sequences.ages % self.window) * hidden)

    def _kernel(self) -> Tensor:
        """Weights by distance in positions, (window, width)."""
        # Computed in the parameters' precision: some devices have no transform in half precision.
        weights = torch.view_as_complex(self.complex_weight)
        return torch.fft.irfft(weights, n=self.window, dim=0)


class FrequencyRescaler(Layer):
    """BSARec's filter: the lowest frequencies pass unchanged, and the others are rescaled.

    The gain is learned per channel. It is the square of the parameter ``sqrt_beta``, as in the authors' code
    (Shin et al., AAAI 2024).

    Args:
        width: of the states.
        window: positions of the filter.
        cutoff: c. The lowest c//2 + 1 frequencies pass unchanged.
    """

    kernel: Tensor
    lags: Tensor

    def __init__(self, width: int, window: int, cutoff: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("lags", _lags(window), persistent=False)
        self.sqrt_beta = nn.Parameter(torch.randn(width))
        passed = torch.zeros(window // 2 + 1, dtype=torch.float64)
        passed[: cutoff // 2 + 1] = 1
        # Weights of the low part by distance in positions, (window,). In float64 they are exact enough for
        # states of any precision. As a buffer they move to the device once, with the parameters.
        self.register_buffer("kernel", torch.fft.irfft(passed, n=window), persistent=False)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        kernel = self.kernel.to(hidden)

        def smooth(part: Tensor) -> Tensor:
            matrix = kernel[self.lags[: part.shape[1], : part.shape[1]]]  # (length, length)
            return matrix @ part

        return self._rescale(hidden, sequences.by_group_of_zeros(smooth, hidden))

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        kernel = self.kernel.to(hidden)
        low = sequences.sums(kernel[sequences.ages % self.window].unsqueeze(-1) * hidden)
        return self._rescale(hidden.index_select(0, sequences.last), low)

    def _rescale(self, hidden: Tensor, low: Tensor) -> Tensor:
        return low + self.sqrt_beta.square() * (hidden - low)


class Mixture(Layer):
    """``share · frequency branch + (1 − share) · attention branch``, each with its own residual.

    Args:
        frequency: the frequency branch.
        attention: the attention branch.
        share: weight of the frequency branch, from 0 to 1.
    """

    def __init__(self, frequency: Residual, attention: Residual, share: float) -> None:
        super().__init__()
        self.frequency = frequency
        self.attention = attention
        self.share = share

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        return torch.lerp(self.attention(hidden, sequences), self.frequency(hidden, sequences), self.share)

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        attended, filtered = (branch.last(hidden, sequences) for branch in (self.attention, self.frequency))
        return torch.lerp(attended, filtered, self.share)


class PaddedAttention(Attention):
    """Causal attention as in the sources: with padding tokens, and −10,000 instead of −∞ in the mask.

    For a padding token before the first item every key is masked. Its weights are then those of no mask at
    all: it attends to everything, the future included. That matters if a filter carries its state to items.

    Args:
        width: of the states.
        heads: attention heads; they must divide the width.
        dropout: rate on the attention weights.
        padding_item: number of the item that represents padding.
    """

    def __init__(self, width: int, heads: int, dropout: float, padding_item: int) -> None:
        super().__init__(width, heads, dropout)
        self.padding_item = padding_item

    def attend(self, projected: Tensor, sequences: Packed) -> Tensor:
        """Weighted values of every token, (tokens, width), from (tokens, 3 · width)."""

        def padded(items: Tensor, part: Tensor) -> Tensor:
            length = items.shape[1]
            allowed = torch.ones(length, length, dtype=torch.bool, device=items.device).tril()
            allowed = allowed & (items != self.padding_item)[:, None, :]
            added = torch.zeros(allowed.shape, dtype=part.dtype, device=items.device)
            return self.mix(added.masked_fill(~allowed, _FORBIDDEN), part)

        return sequences.by_group(padded, sequences.items, projected)

    def seen_by_last(self, sequences: Packed) -> Tensor:
        """Whether the last item of its sequence sees a token, (tokens,)."""
        return super().seen_by_last(sequences) & (sequences.items != self.padding_item)


def _lags(window: int) -> Tensor:
    """Distance from position s (column) to position t (row) around the window, (window, window)."""
    places = torch.arange(window)
    return (places[:, None] - places) % window
