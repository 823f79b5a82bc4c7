"""The network of the reinforced latent token: SASRec, and an attention that makes latents after the history.

Stage ``supervised`` trains SASRec alone. Stage ``sft`` trains the attention. SASRec is frozen there by
default; the source fine-tunes both. Stage ``grpo`` perturbs the latent and reinforces what makes the target
likelier. It trains the attention alone.

A latent is a token after the history, normalised as inputs are. Its state is scored. The query of the first
latent is the state at the last item, and that of a further one is the state at the latent before it. The
source describes further latents and does not use them. Inference is deterministic.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.models.layers.blocks import transformer
from lrbench.models.layers.embeddings import InputEmbedding
from lrbench.models.layers.initialisation import initialise
from lrbench.models.layers.joint_chain import chains_after
from lrbench.models.layers.latent_attention import LatentAttention
from lrbench.models.layers.sizes import TransformerSizes
from lrbench.models.layers.token_chain import encode_items, whole_blocks
from lrbench.models.reasoning import ReasoningModel, Recipe

__all__ = ["LatentRLConfig", "LatentRLNetwork"]


class LatentRLConfig(TransformerSizes):
    """Sizes of SASRec, latents and reinforcement."""

    source = "LatentR³'s code (xuwenxinedu/R3 @c558b44); for sizes, SASRec of RecBole 1.2.1"

    latents: int = Field(default=1, ge=0)
    """N, latent tokens (code: 1). 0: SASRec alone."""

    latent: Literal["attention", "constant"] = "attention"
    """What makes a latent. ``attention``: attention over the states of the history. ``constant``, a control:
    a learned vector, the same for every history."""

    reach: int | None = Field(default=None, ge=1)
    """How many of the latest states the attention reads. Not set: all (code: all, ``end_k`` = −1)."""

    freeze_backbone: bool = True
    """Whether stage ``sft`` trains only what makes latents, and SASRec is frozen (code: false; true is
    lrbench's choice)."""

    width: int = Field(default=64, ge=2, multiple_of=2)
    """Length of item embeddings and states (RecBole: 64)."""

    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on inputs, attention weights and what each half of a block adds (RecBole: 0.5)."""

    group: int = Field(default=8, ge=2)
    """G, versions of a row's latent in reinforcement. The first version has no noise (code: 8)."""

    noise: float = Field(default=1.5, gt=0)
    """σ of the noise on the other versions, in units of the latent's root mean square (code: 1.5, in absolute
    terms)."""

    reward: Literal["perplexity", "log-likelihood"] = "perplexity"
    """Reward of a version, with p the probability of the target. ``perplexity``: −1 / p (code).
    ``log-likelihood``: log p."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse latents that no stage trains, and stages that train latents where there are none.

        Raises:
            ValueError: what to set instead.
        """
        super().check_against_protocol(max_length, stages)
        latent_stages = [stage for stage in stages if stage in ("sft", "grpo")]
        if self.latents == 0 and latent_stages:
            raise ValueError(
                f"stage {latent_stages[0]} trains latents, and latents = 0 leaves none. "
                'Set stages = ["supervised"].'
            )
        if self.latents and not latent_stages:
            raise ValueError("no stage trains the latents. Run stage sft or grpo too, or set latents = 0.")

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse a reach without attention.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.latent == "constant":
            self.refuse_changed(("reach",), 'latent = "constant" reads no states', 'set latent = "attention"')


class LatentRLNetwork(ReasoningModel[LatentRLConfig]):
    """SASRec, the attention that makes latents, and the chain of latents."""

    Config = LatentRLConfig

    def __init__(self, config: LatentRLConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width, dropout = config.width, config.dropout
        self.embedding = InputEmbedding(n_items, max_length, width, dropout)
        self.encoder = transformer(config.layers, width, config.heads, config.inner_width, dropout, dropout)
        self.attention = LatentAttention(width, config.reach) if config.latent == "attention" else None
        self.constant = nn.Parameter(torch.zeros(width)) if config.latent == "constant" else None
        initialise(self)
        if self.constant is not None:
            # Not zeros: LayerNorm follows, and at zeros its gradient is a million times too large.
            nn.init.normal_(self.constant, std=0.02)
        if not config.latents:
            self.leave_out("attention", "constant")

    @classmethod
    def configured_depth(cls, config: LatentRLConfig) -> int:
        """The number of latents."""
        return config.latents

    @classmethod
    def without_reasoning(cls, config: LatentRLConfig) -> Recipe:
        """SASRec alone."""
        return Recipe({**config.model_dump(), "latents": 0}, ("supervised",))

    @classmethod
    def without_recurrence(cls, config: LatentRLConfig) -> Recipe:
        """SASRec of the same sizes."""
        sizes = config.model_dump(include={"layers", "heads", "width", "inner_width", "dropout"})
        return Recipe({**sizes, "attention_dropout": config.dropout}, model="sasrec")

    @classmethod
    def same_losses(cls, config: LatentRLConfig) -> Recipe:
        """The same stages on a latent that is the same for every history."""
        return Recipe({**config.model_dump(), "latent": "constant"})

    def train_latents_alone(self, alone: bool) -> None:
        """If ``alone``, freeze SASRec and switch off its dropout. Otherwise undo that."""
        for part in (self.embedding, self.encoder):
            part.requires_grad_(not alone)
            part.train(not alone)

    def item_vectors(self) -> Tensor:
        """The item embeddings, (items, width)."""
        return self.embedding.items.weight

    def score(self, states: Tensor) -> Tensor:
        """Dot products with all items, (rows, items)."""
        return states @ self.item_vectors().T

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """State at the last item (depth 0) or at latent number ``depth``, (depths, sequences, width)."""
        states = self.reason(sequences, everywhere=False, latents=max(depths), noise=noise)
        return torch.stack([states[depth, :, 0] for depth in depths])

    def reason(
        self,
        sequences: Packed,
        everywhere: bool,
        latents: int,
        noise: torch.Generator | None = None,
        group: int = 1,
    ) -> Tensor:
        """States at the item and at each latent, (latents + 1, rows, group, width).

        Args:
            sequences: the histories.
            everywhere: a row for every token; otherwise one for each sequence, ordered as for ``pack``.
            latents: how many.
            noise: source of noise for the noise-only control.
            group: versions of each latent; all but the first are perturbed.
        """
        items, memories = encode_items(self.encoder, self.embedding(sequences), sequences, everywhere=True)
        chains = chains_after(whole_blocks(self.encoder), sequences, memories, everywhere)
        rows = items if everywhere else items[sequences.last]
        states = [rows.unsqueeze(1).expand(-1, group, -1)]
        for number in range(latents):
            versions = (
                [self._latent(items, state, number, sequences, everywhere) for state in states[-1].unbind(1)]
                if number
                else [self._latent(items, rows, 0, sequences, everywhere)] * group
            )
            latent = self.carried(torch.stack(versions, 1), noise)  # (rows, group, width)
            states.append(chains.extend(self.embedding.finish(self._perturbed(latent))))
        return torch.stack(states)

    def training_states(self, batch: TrainingBatch, latents: int, group: int = 1) -> Tensor:
        """States at the last latent of the batch's targets, (targets, group, width)."""
        states = self.reason(batch.sequences, everywhere=True, latents=latents, group=group)
        return states[-1][batch.rows]

    def _latent(
        self, items: Tensor, rows: Tensor, number: int, sequences: Packed, everywhere: bool
    ) -> Tensor:
        if self.attention is None:
            assert self.constant is not None
            return self.constant.expand_as(rows)
        return self.attention(items, rows, number, sequences, everywhere)

    def _perturbed(self, latent: Tensor) -> Tensor:
        """Add noise to all versions of a latent but the first."""
        if latent.shape[1] == 1:
            return latent
        size = latent.detach().square().mean(-1, keepdim=True).sqrt()
        drawn = torch.randn_like(latent) * self.config.noise * size
        drawn[:, 0] = 0
        return latent + drawn
