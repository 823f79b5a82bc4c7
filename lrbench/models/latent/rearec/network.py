"""The network of ReaRec: a Transformer that continues by feeding its last state back as a new token.

r_0 is the state at the last item. Step s appends a token ``LayerNorm(r_{s−1} + p_s)``, with a step embedding
p_s and the LayerNorm of the items' inputs. The token sees all items and the previous steps. Its state is r_s
(arXiv 2503.22675; TangJiakai/ReaRec @7f46432). Every position of a training sequence reasons in one pass.
That gives the same as the source's one row per prefix. With the backbone ``bert4rec`` items see each other in
both directions, so each prefix is a row. Steps see only what comes before them.

There is no padding item, so none takes part in the softmax. Steps beyond the trained number use the last step
embedding again.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import TypeVar

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.models.layers.blocks import Encoder, transformer
from lrbench.models.layers.embeddings import InputEmbedding
from lrbench.models.layers.hstu_block import HSTUBlock
from lrbench.models.layers.hstu_chain import UnitChains, encode_with_units
from lrbench.models.layers.initialisation import initialise
from lrbench.models.layers.joint_chain import JointChains, chains_after
from lrbench.models.layers.sizes import TransformerSizes
from lrbench.models.layers.token_chain import Chains, Memory, encode_items, whole_blocks
from lrbench.models.next_item import at_temperature
from lrbench.models.reasoning import ReasoningModel, Recipe, Sizes

__all__ = ["Jitter", "ReaRecConfig", "ReaRecNetwork", "running_means"]

Jitter = Callable[[Tensor], Tensor]
"""Draws noise of a tensor's shape, which is added to the tensor."""

Begun = tuple[Tensor, list[Chains | JointChains] | list[UnitChains]]
"""r_0, (rows, width), and the chains of latent tokens that follow it."""

_RESERVED = 11  # positions for latent tokens, as many as HSTU reserves for outputs


def running_means(states: Tensor) -> Tensor:
    """Return the means over the steps so far, in the shape of ``states``, (steps, …)."""
    counts = torch.arange(1, len(states) + 1, device=states.device, dtype=states.dtype)
    return states.cumsum(0) / counts.view(-1, *[1] * (states.dim() - 1))


class ReaRecConfig(TransformerSizes):
    """Sizes and steps."""

    source = "ReaRec's code (TangJiakai/ReaRec @7f46432)"

    steps: int = Field(default=2, ge=0)
    """K, reasoning steps in training and the depth at inference (code: 2). 0: the encoder alone."""

    backbone: Literal["sasrec", "bert4rec", "hstu"] = "sasrec"
    """Blocks of the encoder. ``sasrec``: Transformer blocks in which an item sees itself and earlier items.
    ``bert4rec``: Transformer blocks in which an item sees the whole history (prefix mask). ``hstu``: HSTU
    blocks, which have no ``inner_width`` and no ``attention_dropout``."""

    chain: Literal["reasoning", "views"] = "reasoning"
    """``reasoning``: reasoning steps. ``views``, a control: in the losses, further passes of the encoder that
    differ by dropout replace the steps. At inference the encoder's state is ranked."""

    layers: int = Field(default=2, ge=1)
    """Blocks of the encoder (code: 2)."""

    heads: int = Field(default=2, ge=1)
    """Attention heads. They must divide the width (code: 2)."""

    width: int = Field(default=256, ge=1)
    """Length of item embeddings and states (code: 256)."""

    inner_width: int = Field(default=300, ge=1)
    """Width between the two layers of the feed-forward parts (code: 300)."""

    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on what each half of a block adds (code: 0.5)."""

    attention_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the attention weights (code: 0.5)."""

    input_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout rate on the inputs of items and steps (code: always 0.2)."""

    temperature: float = Field(default=0.07, gt=0)
    """τ. It divides all scores, in training and in ranking (code: 0.07; the paper tunes 0.05 to 5)."""

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse sizes and rates that HSTU blocks do not have.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.backbone == "hstu":
            self.refuse_changed(
                ("inner_width", "attention_dropout"),
                'backbone = "hstu" has no feed-forward part and no softmax in its attention',
                'set backbone = "sasrec"',
            )

    def refuse_without_steps(self, *options: str) -> None:
        """Refuse options of reasoning steps where views replace the steps.

        Args:
            options: their names.

        Raises:
            ValueError: the first of these options that is not at its default.
        """
        if self.chain == "views":
            self.refuse_changed(options, 'chain = "views" takes no steps', 'set chain = "reasoning"')


ReaRecT = TypeVar("ReaRecT", bound=ReaRecConfig, default=Any)


class ReaRecNetwork(ReasoningModel[ReaRecT]):
    """Encoder, step embeddings, and the chain of reasoning steps."""

    Config = ReaRecConfig

    def __init__(self, config: ReaRecT, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width = config.width
        self.embedding = InputEmbedding(n_items, max_length, width, config.input_dropout)
        self.encoder = _encoder(config, max_length)
        self.step_positions: nn.Embedding | None = nn.Embedding(config.steps, width)
        initialise(self)
        if not self.takes_steps(config):
            self.leave_out("step_positions")

    @staticmethod
    def takes_steps(config: ReaRecConfig) -> bool:
        """Whether training takes reasoning steps."""
        return config.chain == "reasoning" and config.steps > 0

    @abstractmethod
    def representations(self, states: Tensor) -> Tensor:
        """What is scored after 0, 1, … steps, (steps + 1, rows, width), from their states."""

    @classmethod
    def causal(cls, config: ReaRecT) -> bool:
        """Yes with the backbones ``sasrec`` and ``hstu``."""
        return config.backbone != "bert4rec"

    @classmethod
    def configured_depth(cls, config: ReaRecT) -> int:
        """The steps of training, or 0 if views replace them."""
        return config.steps if config.chain == "reasoning" else 0

    @classmethod
    def without_reasoning(cls, config: ReaRecT) -> Recipe:
        """The encoder alone: no steps, and no loss that needs them."""
        return Recipe({**config.model_dump(), "steps": 0})

    @classmethod
    def same_losses(cls, config: ReaRecT) -> Recipe:
        """The same losses on passes of the encoder that differ by dropout, as many as there are steps."""
        return Recipe({**config.model_dump(), "chain": "views"})

    @classmethod
    def without_recurrence(cls, config: ReaRecT) -> Recipe:
        """SASRec of the same sizes and temperature. With another backbone: that encoder alone.

        HSTU blocks have no inner width, so they are matched by the width of the states.
        """
        own = set(ReaRecConfig.model_fields) - {"steps", "backbone", "chain"}
        params = config.model_dump(include=own)
        if config.backbone == "sasrec":
            return Recipe(params, model="sasrec")
        sizes = Sizes("layers", "width", config.heads) if config.backbone == "hstu" else Sizes()
        encoder = {**params, "backbone": config.backbone, "steps": 0}
        return Recipe(encoder, model="recurrence", sizes=sizes)

    def item_vectors(self) -> Tensor:
        """The item embeddings divided by the temperature, (items, width)."""
        return at_temperature(self.embedding.items.weight, self.config.temperature)

    def score(self, states: Tensor) -> Tensor:
        """Dot products with all items, divided by the temperature, (rows, items)."""
        return states @ self.item_vectors().T

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Representations of the last item after each number of steps, (depths, sequences, width)."""
        states, _ = self.reason(sequences, everywhere=False, steps=max(depths), noise=noise)
        reached = self.representations(states)
        return torch.stack([reached[depth] for depth in depths])

    def step_input(self, state: Tensor, step: int) -> Tensor:
        """Input token of a step, counted from 0, (…, width)."""
        if self.step_positions is None:
            return self.embedding.finish(state)
        embedded = state + self.step_positions.weight[min(step, self.config.steps - 1)]
        return self.embedding.finish(embedded)

    def reason(
        self,
        sequences: Packed,
        everywhere: bool,
        steps: int,
        noise: torch.Generator | None = None,
        jitter: Jitter | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Encode the items and take reasoning steps.

        Args:
            sequences: the histories.
            everywhere: reason at every token; otherwise at the last token of each sequence, in the order
                given to ``pack``.
            steps: how many.
            noise: source of noise for the noise-only control.
            jitter: if given, a second chain gets the first one's states with this noise added to each.

        Returns:
            r_0 … r_steps, (steps + 1, rows, width); and r_1 … of the second chain, (steps, rows, width), or
            ``None`` if there is no ``jitter`` or no step.
        """
        begun = self.begin_chains(sequences, everywhere, 1 if jitter is None else 2)
        return self.take_steps(begun, steps, noise, jitter)

    def take_steps(
        self, begun: Begun, steps: int, noise: torch.Generator | None, jitter: Jitter | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Take reasoning steps as :meth:`reason` does, from what :meth:`begin_chains` returned."""
        rows, (chain, *others) = begun
        states, noisy = [rows], []
        for step in range(steps):
            state = self.carried(states[-1], noise)
            states.append(chain.extend(self.step_input(state, step).unsqueeze(1)).squeeze(1))
            if jitter is not None:
                moved = self.step_input(state + jitter(state), step)
                noisy.append(others[0].extend(moved.unsqueeze(1)).squeeze(1))
        return torch.stack(states), torch.stack(noisy) if noisy else None

    def begin_chains(self, sequences: Packed, everywhere: bool, count: int) -> Begun:
        """Encode the items, and begin chains that do not see each other.

        Returns:
            r_0, (rows, width), and ``count`` chains.
        """
        rows, memories = self.encode_items(sequences, everywhere)
        return rows, self.chains(sequences, memories, everywhere, count)

    def encode_items(self, sequences: Packed, everywhere: bool) -> tuple[Tensor, list[Memory]]:
        """Encode the items.

        Returns:
            States of all tokens, or of each sequence's last, (rows, width); and the keys and values of each
            block, which latent tokens see.
        """
        embedded = self.embedding(sequences)
        if self.config.backbone == "hstu":
            return encode_with_units(self.encoder, embedded, sequences, everywhere)
        return encode_items(self.encoder, embedded, sequences, everywhere)

    def chains(
        self, sequences: Packed, memories: list[Memory], everywhere: bool, count: int
    ) -> list[Chains | JointChains] | list[UnitChains]:
        """Begin ``count`` chains after every token, or after the last of each sequence."""
        if self.config.backbone == "hstu":
            return [UnitChains(self.encoder, sequences, memories, everywhere) for _ in range(count)]
        blocks = whole_blocks(self.encoder)
        return [chains_after(blocks, sequences, memories, everywhere) for _ in range(count)]

    def training_states(
        self, batch: TrainingBatch, jitter: Jitter | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """States that predict the batch's targets, as from :meth:`reason`, (…, targets, width)."""
        steps = self.config.steps
        if self.config.chain == "views":
            states = self.views(batch, steps + 1)
            return states, None if jitter is None or not steps else self.views(batch, steps, jitter)
        sequences = batch.sequences
        rows = sequences.sequence_of[batch.rows] if batch.ends_sequences else batch.rows
        states, noisy = self.reason(sequences, not batch.ends_sequences, steps, jitter=jitter)
        return states[:, rows], None if noisy is None else noisy[:, rows]

    def views(self, batch: TrainingBatch, count: int, jitter: Jitter | None = None) -> Tensor:
        """Passes of the encoder that differ by dropout, and by ``jitter`` on the items' embeddings.

        Returns:
            States that predict the batch's targets, (count, targets, width).
        """

        def view() -> Tensor:
            embedded = self.embedding.sum(batch.sequences)
            moved = embedded if jitter is None else embedded + jitter(embedded)
            states: Tensor = self.encoder(self.embedding.finish(moved), batch.sequences)
            return states[batch.rows]

        return torch.stack([view() for _ in range(count)])


def _encoder(config: ReaRecConfig, max_length: int) -> Encoder:
    if config.backbone == "hstu":
        reach = max_length + _RESERVED
        return Encoder(
            lambda: HSTUBlock(config.width, config.heads, reach, config.dropout, time_bias=False),
            config.layers,
        )
    return transformer(
        config.layers,
        config.width,
        config.heads,
        config.inner_width,
        config.dropout,
        config.attention_dropout,
        causal=config.backbone == "sasrec",
    )
