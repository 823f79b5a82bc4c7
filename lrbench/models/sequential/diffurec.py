"""DiffuRec: a Transformer that denoises the next item's embedding (Li et al., TOIS 2023).

The network is that of the authors' code (WHUIR/DiffuRec @9576b91). The noisy vector x_t and an embedding of
its noise level are summed. The sum is added to every item of the history, after each of its elements is
multiplied by a random factor of mean λ and standard deviation λ. The last state of a bidirectional pre-norm
Transformer is the prediction x̂_0. Training uses cross-entropy alone. Ranking starts from noise and goes
through all T noise levels.

λ is 0.001 by default, and items have a variance of 1, so x_t can hardly change the prediction. The control
``latent = "zero"`` adds nothing in training and ranking. It is a bidirectional Transformer with
cross-entropy.

Two parts of the authors' code have no effect and are left out. The code never adds its position embeddings.
Its loss-aware choice of noise levels never gets a loss, so the choice stays uniform. The code's attention
does not mask padding; here there is no padding.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.models.base import AuthorsTraining, GradientStage, Model, Terms
from lrbench.models.layers.attention import Attention
from lrbench.models.layers.blocks import Block, Encoder
from lrbench.models.layers.diffusion import (
    NoiseSchedule,
    drawn,
    noised,
    reverse_step,
    signal_rates,
    sinusoids,
)
from lrbench.models.layers.dropout import Dropout
from lrbench.models.layers.embeddings import LAYER_NORM_EPSILON
from lrbench.models.layers.layer import Layer
from lrbench.models.layers.sizes import AttentionSizes
from lrbench.models.next_item import at_temperature
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["Denoising", "DiffuRec", "DiffuRecConfig"]

_RESCALED = 1000.0  # the network sees noise levels rescaled to the range from 0 to this number


class DiffuRecConfig(AttentionSizes):
    """Options of DiffuRec: sizes, diffusion and dropout."""

    source = "DiffuRec's code (WHUIR/DiffuRec @9576b91)"

    layers: int = Field(default=4, ge=1)
    """Transformer blocks (code: 4)."""

    heads: int = Field(default=4, ge=1)
    """Attention heads. They must divide the width (code: 4)."""

    width: int = Field(default=128, ge=1)
    """Length of item embeddings and states (code: 128)."""

    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout rate in the blocks and on the prediction (code: 0.1)."""

    input_dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout rate on the item embeddings (code: 0.3)."""

    noise_levels: int = Field(default=32, ge=1)
    """T, number of noise levels in training and of passes through the network in ranking (code: 32)."""

    noise_schedule: NoiseSchedule = "truncated_linear"
    """How the share of the clean vector falls with the noise level (code: ``truncated_linear``)."""

    uncertainty: float = Field(default=0.001, ge=0)
    """λ, mean and standard deviation of the random factors on the noisy vector (code: 0.001)."""

    latent: Literal["noisy", "zero"] = "noisy"
    """``noisy``: the noisy vector is added to the history (code). ``zero``, a control: nothing is added, and
    ranking takes one pass."""

    temperature: float = Field(default=1.0, gt=0)
    """Divides the scores, in training and in ranking (code: 1)."""

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options of noise that is not added.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.latent == "zero":
            self.refuse_changed(
                ("noise_levels", "noise_schedule", "uncertainty"),
                'latent = "zero" adds no noise',
                'set latent = "noisy"',
            )


class Denoising(GradientStage):
    """Cross-entropy of the next item, scored with the vector that is denoised from a random noise level."""

    model: "DiffuRec"

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the cross-entropy as ``loss``."""
        model = self.model
        sequences = batch.sequences
        level = torch.randint(
            1, model.config.noise_levels + 1, batch.targets.shape, device=batch.targets.device
        )  # (targets,)
        clean = model.items(batch.targets)  # (targets, width)
        state = noised(clean, model.rates[level].unsqueeze(1), torch.randn_like(clean))
        # A training row is a prefix with one target, so each sequence gets the noise of its target.
        order = torch.empty_like(level)  # (sequences,) number of each sequence's target
        order[sequences.sequence_of[batch.rows]] = torch.arange(len(level), device=level.device)
        predicted = model.predicted(model.embedded(sequences), state[order], level[order], sequences)
        states = predicted.index_select(0, sequences.sequence_of[batch.rows])
        return {"loss": cross_entropy(states, model.item_vectors(), batch.targets, model.score_dtype)}


class DiffuRec(Model[DiffuRecConfig]):
    """A denoising Transformer. The denoised vector scores all items by dot product."""

    Config = DiffuRecConfig
    summary = "DiffuRec: a bidirectional Transformer denoises the next item's embedding (Li et al. 2023)."
    authors_training = AuthorsTraining(
        {"batch_size": 512, "max_epochs": 500},
        note="The learning rate falls to a tenth every 100 epochs. Validation is every 20 epochs.",
    )
    stages: ClassVar = {"denoising": Denoising}
    default_stages = ("denoising",)
    rates: Tensor

    def __init__(self, config: DiffuRecConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width = config.width
        self.items = nn.Embedding(n_items, width)  # N(0, 1), as the code leaves it
        self.input_dropout = Dropout(config.input_dropout)
        self.input_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.level = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.encoder = Encoder(lambda: _block(width, config.heads, config.dropout), config.layers)
        self.dropout = Dropout(config.dropout)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        rates = signal_rates(config.noise_levels, config.noise_schedule)
        self.register_buffer("rates", rates.to(torch.get_default_dtype()), persistent=False)

    @classmethod
    def causal(cls, config: DiffuRecConfig) -> bool:
        """No: items see each other in both directions."""
        return False

    @classmethod
    def noisy(cls, config: DiffuRecConfig) -> bool:
        """Whether ranking starts from noise."""
        return config.latent == "noisy"

    def item_vectors(self) -> Tensor:
        """Return the item embeddings divided by the temperature, (items, width)."""
        return at_temperature(self.items.weight, self.config.temperature)

    def score(self, states: Tensor) -> Tensor:
        """Return dot products with all items, divided by the temperature, (rows, items)."""
        return states @ self.item_vectors().T

    def embedded(self, sequences: Packed) -> Tensor:
        """Return the items after dropout and norm, (tokens, width)."""
        embedded: Tensor = self.input_norm(self.input_dropout(self.items(sequences.items)))
        return embedded

    def predicted(
        self,
        embedded: Tensor,
        state: Tensor,
        level: Tensor,
        sequences: Packed,
        noise: torch.Generator | None = None,
    ) -> Tensor:
        """Return x̂_0 of each history, (sequences, width).

        Args:
            embedded: the items, (tokens, width).
            state: x_t of each history, (sequences, width).
            level: t of each history, (sequences,), from 1.
            sequences: the histories.
            noise: generator of the random factors. ``None``: torch's default generator.
        """
        hidden = embedded
        if self.config.latent == "noisy":
            told = (level - 1).to(state.dtype) * (_RESCALED / self.config.noise_levels)
            added = state + self.level(sinusoids(told, state.shape[-1]).to(state.dtype))
            factor = self.config.uncertainty * (1 + drawn(embedded, noise))
            hidden = embedded + factor * added.index_select(0, sequences.sequence_of)
        last: Tensor = self.norm(self.dropout(self.encoder.last(hidden, sequences)))
        return last

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Return the vector that is left after all noise levels, (1, sequences, width)."""
        embedded = self.embedded(sequences)
        state = embedded.new_zeros(sequences.n_sequences, embedded.shape[1])
        if self.config.latent == "zero":
            return self.predicted(embedded, state, state[:, 0], sequences).unsqueeze(0)
        state = drawn(state, noise)
        for level in range(self.config.noise_levels, 0, -1):
            at = torch.full(state.shape[:1], level, device=state.device)
            clean = self.predicted(embedded, state, at, sequences, noise)
            rate, below = self.rates[level], self.rates[level - 1]
            state = reverse_step(state, clean, rate, below, eta=1.0).mean
            if level > 1:  # the authors' code adds noise of variance β, not of the posterior's variance
                state = state + (1 - rate / below).sqrt() * drawn(state, noise)
        return state.unsqueeze(0)


class _PreNorm(Layer):
    """``x + dropout(inner(LayerNorm(x)))``."""

    def __init__(self, inner: Layer, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = inner
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        added: Tensor = hidden + self.dropout(self.inner(self.norm(hidden), sequences))
        return added

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        found = self.dropout(self.inner.last(self.norm(hidden), sequences))
        added: Tensor = hidden.index_select(0, sequences.last) + found
        return added


class _FeedForward(Layer):
    """Two linear layers with GELU (tanh form) and dropout between them. The hidden layer has 4 · width."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = Dropout(dropout)
        for linear in (self.expand, self.contract):
            nn.init.xavier_normal_(linear.weight)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(…, width) → (…, width)."""
        contracted: Tensor = self.contract(self.dropout(F.gelu(self.expand(hidden), approximate="tanh")))
        return contracted


class _DroppedBlock(Block):
    """A block with dropout on its output."""

    def __init__(self, mixer: Layer, feed_forward: Layer, dropout: float) -> None:
        super().__init__(mixer, feed_forward)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""
        dropped: Tensor = self.dropout(super().forward(hidden, sequences))
        return dropped

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (sequences, width)."""
        dropped: Tensor = self.dropout(super().last(hidden, sequences))
        return dropped


def _block(width: int, heads: int, dropout: float) -> Block:
    attention = Attention(width, heads, dropout, causal=False)
    nn.init.xavier_normal_(attention.output.weight)
    return _DroppedBlock(
        _PreNorm(attention, width, dropout), _PreNorm(_FeedForward(width, dropout), width, dropout), dropout
    )
