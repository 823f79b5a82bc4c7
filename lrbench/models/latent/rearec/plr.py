"""PLR: several streams of latent reasoning side by side (arXiv 2601.03153).

There is no public code. Where the formulas leave a choice, this is lrbench's reading. h_0 is the encoder's
state at the last item. Stream m starts from ``h_{0,m} = h_0 + t_m`` with a learned trigger t_m. Each step
appends one token to each stream, ``LayerNorm(h_{s−1,m} + p_s)``, with a step embedding p_s. The whole encoder
runs on that token, which sees the items and its own stream. The step then adds the previous state: ``h_{s,m}
= encoder(…) + h_{s−1,m}``. The output of a stream is the mean of its states after step 1 and later. z is the
sum of these outputs, weighted by a softmax gate on h_0 (mixture of reasoning streams). Training scores z
alone. Inference scores ``h_0 + z``.

``loss = CE(z) − λ · divergence + μ · contrast``. The divergence is the mean KL between the softmaxes over all
items, over ordered pairs of all steps of all streams. The second of each pair passes no gradient. The
contrast is InfoNCE of z between two passes that differ by dropout, averaged over both directions. Other
targets of the same user are not negatives.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.models.base import AuthorsTraining, GradientStage, Model, Terms
from lrbench.models.latent.rearec.network import Jitter, ReaRecConfig, ReaRecNetwork, running_means
from lrbench.models.layers.activation_checkpoint import recomputed
from lrbench.models.layers.hstu_chain import UnitChains
from lrbench.models.layers.joint_chain import JointChains, chains_after
from lrbench.models.layers.token_chain import Chains, bare_attention, encode_items
from lrbench.objectives.alignment import symmetric_info_nce
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.divergence import pairwise_divergence

__all__ = ["PLR", "PLRConfig"]


class PLRConfig(ReaRecConfig):
    """Streams, steps and weights. The paper gives no sizes, so they are those of SASRec."""

    source = "PLR's paper (arXiv 2601.03153), which has no public code"

    streams: int = Field(default=2, ge=1)
    """M, number of reasoning streams (paper: 2 is best)."""

    steps: int = Field(default=2, ge=0)
    """T, reasoning steps of each stream (paper: 2 is best). 0, a control: the encoder alone."""

    width: int = Field(default=64, ge=1)
    """Length of item embeddings and states (RecBole's SASRec: 64)."""

    inner_width: int = Field(default=256, ge=1)
    """Width between the two layers of the feed-forward parts (RecBole's SASRec: 256)."""

    input_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the inputs of items and steps (RecBole's SASRec: 0.5)."""

    temperature: float = Field(default=1.0, gt=0)
    """It divides all scores, in training and in ranking (not given in the paper; lrbench's choice)."""

    step_network: Literal["stack", "attention"] = "stack"
    """What a step runs. ``stack``: the whole encoder (lrbench's choice). ``attention``: the attention of the
    first block alone, over the embedded items and the stream. The paper's formula can be read both ways."""

    gate: Literal["learned", "mean"] = "learned"
    """How streams are joined. ``learned``: a sum weighted by a gate on h_0 (paper). ``mean``: their mean (the
    ablation w/o MoRS)."""

    inference: Literal["sum", "reasoning", "encoder"] = "sum"
    """What inference scores. ``sum``: h_0 + z (paper). ``reasoning``: z alone, as in training. ``encoder``:
    h_0 alone. The last two are for diagnosis."""

    divergence_weight: float = Field(default=0.1, ge=0)
    """λ, weight of the divergence, which rewards states that disagree (paper: 0.1). 0 is the ablation w/o
    KL."""

    contrast_weight: float = Field(default=0.1, ge=0)
    """μ, weight of the contrast between two passes that differ by dropout (not given in the paper; lrbench's
    choice). 0 is the ablation w/o RCL."""

    contrast_temperature: float = Field(default=1.0, gt=0)
    """It divides the dot products of the contrast (not given in the paper; lrbench's choice)."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse ``step_network = "attention"`` with HSTU blocks, whose attention has no softmax.

        Raises:
            ValueError: the two options.
        """
        super().check_against_protocol(max_length, stages)
        if self.backbone == "hstu" and self.step_network == "attention":
            raise ValueError(
                'step_network = "attention" needs Transformer blocks, and backbone = "hstu" has none. '
                'Set step_network = "stack".'
            )

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options of steps that are not taken.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        self.refuse_without_steps("step_network", "inference")


class ParallelReasoning(GradientStage[PLRConfig]):
    """Cross-entropy of the summed streams, their divergence, and the contrast of two passes."""

    model: "PLR"

    @classmethod
    def replayable(cls, model: type[Model[PLRConfig]], config: PLRConfig) -> bool:
        """Yes: the losses read tensors alone."""
        return True

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms. A term of weight 0 is neither computed nor returned."""
        model, config = self.model, self.model.config
        states = self._first_pass(batch)  # (steps + 1, targets, streams, width)
        summed, items = model.summed(states)[-1], model.item_vectors()
        prediction = cross_entropy(summed, items, batch.targets, model.score_dtype, batch.weights)
        terms = {"cross_entropy": prediction}
        loss = terms["cross_entropy"]
        if config.divergence_weight and config.steps * config.streams > 1:
            thoughts = states[1:].movedim(2, 1).flatten(0, 1)  # (steps · streams, targets, width)
            terms["divergence"] = pairwise_divergence(thoughts, items, model.score_dtype, batch.weights)
            loss = loss - config.divergence_weight * terms["divergence"]
        if config.contrast_weight:
            second = model.summed(model.training_states(batch)[0])[-1]
            terms["contrast"] = symmetric_info_nce(
                summed,
                second,
                "dot",
                config.contrast_temperature,
                batch.no_negatives(same_user=True),
                batch.weights,
            )
            loss = loss + config.contrast_weight * terms["contrast"]
        return {"loss": loss, **terms}

    def _first_pass(self, batch: TrainingBatch) -> Tensor:
        """States that predict the batch's targets, (steps + 1, targets, streams, width).

        The backward pass takes the second pass of the contrast first. Recomputing this one then keeps the
        activations of two passes from being stored at once.
        """
        if self.model.config.contrast_weight:
            return recomputed(lambda: self.model.training_states(batch)[0], self.model)
        return self.model.training_states(batch)[0]


class PLR(ReaRecNetwork[PLRConfig]):
    """Parallel streams of reasoning steps."""

    Config = PLRConfig
    summary = "PLR: parallel streams of latent reasoning with a gate (arXiv 2601.03153; no public code)."
    authors_training = AuthorsTraining(note="They are not known; the defaults are used instead.")
    stages: ClassVar = {"supervised": ParallelReasoning}
    default_stages = ("supervised",)

    def __init__(self, config: PLRConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        triggers = nn.Parameter(torch.empty(config.streams, config.width))
        gate = nn.Linear(config.width, config.streams)
        nn.init.normal_(triggers, std=0.02)
        nn.init.normal_(gate.weight, std=0.02)
        nn.init.zeros_(gate.bias)
        self.triggers: nn.Parameter | None = triggers
        self.gate: nn.Linear | None = gate
        if not self.takes_steps(config):
            self.leave_out("triggers")
        if not config.steps or config.gate == "mean" or config.streams == 1:
            self.leave_out("gate")

    def training_states(self, batch: TrainingBatch, jitter: Jitter | None = None) -> tuple[Tensor, None]:
        """States that predict the batch's targets, (steps + 1, targets, streams, width); and ``None``."""
        config = self.config
        if config.chain == "reasoning":
            return super().training_states(batch)[0], None
        start = self.views(batch, 1).unsqueeze(2).expand(-1, -1, config.streams, -1)
        if not config.steps:
            return start, None
        thoughts = self.views(batch, config.steps * config.streams)  # (steps · streams, targets, width)
        return torch.cat(
            (start, thoughts.view(config.steps, config.streams, *thoughts.shape[1:]).movedim(1, 2))
        ), None

    def reason(
        self,
        sequences: Packed,
        everywhere: bool,
        steps: int,
        noise: torch.Generator | None = None,
        jitter: Jitter | None = None,
    ) -> tuple[Tensor, None]:
        """Encode the items and let every stream take reasoning steps.

        Returns:
            h_0 for every stream, then h_1 … h_steps, (steps + 1, rows, streams, width); and ``None``.
        """
        chains: Chains | JointChains | UnitChains
        if self.config.step_network == "stack":
            rows, (chains,) = self.begin_chains(sequences, everywhere, 1)
        else:
            rows, memories = encode_items(self.encoder, self.embedding(sequences), sequences, everywhere)
            chains = chains_after(bare_attention(self.encoder), sequences, memories[:1], everywhere)
        start = rows.unsqueeze(1)  # (rows, 1, width)
        states = [start.expand(-1, self.config.streams, -1)]
        state = states[0] if self.triggers is None else start + self.triggers
        for step in range(steps):
            before = self.carried(state, noise)
            state = chains.extend(self.step_input(before, step)) + before
            states.append(state)
        return torch.stack(states), None

    def summed(self, states: Tensor) -> Tensor:
        """z after 0, 1, … steps, (steps + 1, rows, width). After 0 steps it is h_0.

        Args:
            states: (steps + 1, rows, streams, width).
        """
        start, thoughts = states[0, :, 0], states[1:]  # h_0, (rows, width); (steps, rows, streams, width)
        means = running_means(thoughts)  # (steps, rows, streams, width)
        if self.gate is None:
            mixed = means.mean(2)
        else:
            mixed = (means * self.gate(start).softmax(-1).unsqueeze(-1)).sum(2)
        return torch.cat((start.unsqueeze(0), mixed))

    def representations(self, states: Tensor) -> Tensor:
        """What inference scores after 0, 1, … steps, (steps + 1, rows, width)."""
        summed = self.summed(states)
        start = summed[:1]
        match self.config.inference:
            case "sum":
                return torch.cat((start, start + summed[1:]))
            case "reasoning":
                return summed
            case _:
                return start.expand_as(summed)
