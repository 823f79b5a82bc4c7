"""The network of ManCAR: context tokens, the history and thinking tokens.

The network is that of ReaRec. By default attention within context and history is bidirectional. Before a
state is fed back, it is scaled to the mean norm of the item embeddings and multiplied by a learned factor for
each channel. Every prefix has its own context, so every prefix is a training row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.data.sequences import TrainingView
from lrbench.models.latent.mancar.context import ContextEmbedding, with_context
from lrbench.models.latent.mancar.swing import swing_neighbours
from lrbench.models.latent.rearec.network import Jitter, ReaRecConfig, ReaRecNetwork
from lrbench.models.reasoning import Recipe

__all__ = ["ManCARConfig", "ManCARNetwork"]

_CONSTANT = {"step_schedule": "constant", "teacher_schedule": "constant"}
"""Schedules of a network without steps."""

_ROWS = 512  # rows whose scores of all items are in memory at once, to decide when to halt


class ManCARConfig(ReaRecConfig):
    """Options of ManCAR: sizes, steps, graph, teacher and schedules."""

    source = "ManCAR's paper (arXiv 2602.20093) and code (FuCongResearchSquad/ManCAR @c4c967c)"

    steps: int = Field(default=3, ge=0)
    """K, thinking steps in training and at inference (paper: 0 to 4, by dataset)."""

    backbone: Literal["sasrec", "bert4rec"] = "bert4rec"
    """``sasrec``: an item sees earlier items alone. ``bert4rec``: it sees context and history in both
    directions (code)."""

    input_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the inputs of items, context and steps (code: 0.5)."""

    temperature: float = Field(default=1.0, gt=0)
    """τ. It divides all scores in training and in ranking (code: 1)."""

    graph: Literal["swing", "none"] = "swing"
    """The item graph from which context and teacher take neighbours. ``swing``: the Swing graph of the
    training part. ``none``: no graph. Context and teacher must then be switched off."""

    context_items: int = Field(default=4, ge=0)
    """How many of the latest items bring their neighbours as context tokens. 0: no context (code: 4)."""

    context_neighbours: int = Field(default=7, ge=1)
    """Neighbours of each of these items that become context tokens (code: 7)."""

    teacher_weight: float = Field(default=1.0, ge=0)
    """λ, weight of the divergence from the teacher. 0: no teacher (code: 1)."""

    teacher_neighbours: int = Field(default=10, ge=1)
    """How many neighbours of the last item get probability from the teacher, beside the target (code: 10)."""

    teacher_schedule: Literal["sharpening", "constant", "reversed"] = "sharpening"
    """Temperature of the teacher for each of the T = K + 1 states. ``sharpening``: T, T − 1, …, 1 (code).
    ``reversed``: 1, 2, …, T. ``constant``: 1."""

    step_schedule: Literal["increasing", "constant", "reversed"] = "increasing"
    """Temperature of each state's own softmax in the losses, as a multiple of τ. ``increasing``: 1, 4, 9, …,
    T² (code, in the cross-entropy alone). ``reversed``: the same backwards. ``constant``: 1."""

    rescale: bool = True
    """Whether the state that is fed back is scaled to the mean norm of the item embeddings (code: true)."""

    frozen_targets: Literal["never", "epoch"] = "never"
    """``epoch``: losses score the item embeddings of the epoch's start, without gradient (code).
    ``never``: they score the current item embeddings (paper)."""

    halting: float = Field(default=0.0, ge=0)
    """ε. At inference a history stops thinking after the first step t with KL(p_{t−1} ‖ p_t) < ε. p_t is the
    softmax over all items after step t. 0: it never stops early."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse a reversed schedule without steps, and context or teacher without a graph.

        Raises:
            ValueError: the options that clash, and what to set instead.
        """
        super().check_against_protocol(max_length, stages)
        if self.graph == "none" and (self.teacher_weight or self.context_items):
            raise ValueError(
                'graph = "none" gives teacher and context no neighbours. '
                "Set teacher_weight = 0 and context_items = 0."
            )
        scheduled = self.step_schedule == "reversed" or self.teacher_schedule == "reversed"
        if scheduled and not self.steps:
            raise ValueError(
                'a "reversed" schedule needs steps. Set steps above 0, or the schedule to "constant".'
            )

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options of steps that are not taken, and of neighbours without a graph.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        self.refuse_without_steps("rescale", "halting")
        if self.graph == "none":
            self.refuse_changed(
                ("context_neighbours", "teacher_neighbours", "teacher_schedule"),
                'graph = "none" has no neighbours',
                'set graph = "swing"',
            )


class ManCARNetwork(ReaRecNetwork[ManCARConfig]):
    """Encoder, context tokens and thinking tokens."""

    Config = ManCARConfig
    neighbours: Tensor

    def __init__(self, config: ManCARConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        plain = self.embedding
        self.embedding = ContextEmbedding(n_items, max_length, config.width, config.input_dropout)
        self.embedding.load_state_dict(plain.state_dict())  # initial weights are those of ReaRec
        self.scale: nn.Parameter | None = nn.Parameter(torch.ones(config.width))
        if not (config.rescale and self.takes_steps(config)):
            self.leave_out("scale")
        kept = max(config.context_neighbours, config.teacher_neighbours)
        self.register_buffer("neighbours", torch.full((n_items, kept), -1, dtype=torch.int64))
        self._host_neighbours = np.full((n_items, kept), -1)  # a copy, since context is built on the host

    @classmethod
    def causal(cls, config: ManCARConfig) -> bool:
        """Only with the backbone ``sasrec`` and without context."""
        return config.backbone == "sasrec" and not config.context_items

    @classmethod
    def without_reasoning(cls, config: ManCARConfig) -> Recipe:
        """Take no steps. Context and teacher stay."""
        return Recipe({**config.model_dump(), "steps": 0, **_CONSTANT})

    @classmethod
    def without_recurrence(cls, config: ManCARConfig) -> Recipe:
        """The encoder of context and history with the plain loss. Without context: that of ReaRec.

        The context stays, since it is an input. A network without it would lose the graph, not the steps.
        """
        if not config.context_items:
            return super().without_recurrence(config)
        return Recipe({**config.model_dump(), "steps": 0, "teacher_weight": 0.0, **_CONSTANT})

    def read_training_part(self, view: TrainingView) -> None:
        """Compute the item graph."""
        if self.config.graph == "none":
            return
        self._host_neighbours = swing_neighbours(view, self.neighbours.shape[1], self.max_length)
        self.neighbours.copy_(torch.from_numpy(self._host_neighbours))

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load parameters and graph, and copy the graph to the host."""
        loaded = super().load_state_dict(state_dict, strict, assign)
        self._host_neighbours = self.neighbours.cpu().numpy().copy()
        return loaded

    def representations(self, states: Tensor) -> Tensor:
        """Return the states themselves."""
        return states

    def step_input(self, state: Tensor, step: int) -> Tensor:
        """Return the input token of a step, made from the scaled state, (…, width)."""
        if self.config.rescale:
            length = self.embedding.items.weight.norm(dim=-1).mean()
            state = F.normalize(state, dim=-1) * length
        if self.scale is not None:
            state = state * self.scale
        return super().step_input(state, step)

    def with_context(self, sequences: Packed) -> Packed:
        """Put context tokens before the histories."""
        if not self.config.context_items:
            return sequences
        nearest = self._host_neighbours[:, : self.config.context_neighbours]
        return with_context(sequences, nearest, self.config.context_items)

    def training_states(
        self, batch: TrainingBatch, jitter: Jitter | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the states that predict the batch's targets, (steps + 1, targets, width)."""
        if not self.config.context_items:
            return super().training_states(batch, jitter)
        sequences = self.with_context(batch.sequences)
        rows = sequences.last[batch.sequences.sequence_of[batch.rows]]
        return super().training_states(replace(batch, sequences=sequences, rows=rows), jitter)

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Return the states after each number of steps, (depths, sequences, width).

        A halted history keeps its state.
        """
        states, _ = self.reason(
            self.with_context(sequences), everywhere=False, steps=max(depths), noise=noise
        )
        if self.config.halting:
            states = self._halted(states)
        return torch.stack([states[depth] for depth in depths])

    def _halted(self, states: Tensor) -> Tensor:
        """Return the states, (steps + 1, rows, width). A history that has halted keeps its state.

        A history halts after the first step t ≥ 1 with KL(p_{t−1} ‖ p_t) < ε.
        """
        kept = [states[0]]
        halted = torch.zeros(states.shape[1], dtype=torch.bool, device=states.device)
        for before, after in pairwise(states):
            kept.append(torch.where(halted.unsqueeze(-1), kept[-1], after))
            halted |= self._change(before, after) < self.config.halting
        return torch.stack(kept)

    def _change(self, before: Tensor, after: Tensor) -> Tensor:
        """Return KL(p_before ‖ p_after) over all items, (rows,)."""
        changes = []
        for first, second in zip(torch.split(before, _ROWS), torch.split(after, _ROWS), strict=True):
            old, new = self.score(first).log_softmax(-1), self.score(second).log_softmax(-1)
            changes.append((old.exp() * (old - new)).sum(-1))
        return torch.cat(changes)
