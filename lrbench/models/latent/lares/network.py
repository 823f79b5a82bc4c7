"""The network of LARES: a pre-block that runs once and a core block that runs once per reasoning step.

H is the pre-block's output on the embedded history. T₀ is the initial latent state (noise). Step i computes
``T_i = Core(LayerNorm(adapter(T_{i−1}, H)))``. All steps share their weights. Depth therefore costs time but
no parameters, and may differ between training and inference. Every step refines all positions. The state at
the last item scores all items.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.data.transfer import on_device
from lrbench.models.latent.lares.adapters import make_adapter
from lrbench.models.latent.lares.backbones import backbone_is_causal, make_backbone
from lrbench.models.latent.lares.config import LARESConfig
from lrbench.models.latent.lares.noise import truncated_normal
from lrbench.models.latent.lares.step_samplers import draw_steps
from lrbench.models.layers.activation_checkpoint import recomputed
from lrbench.models.layers.embeddings import LAYER_NORM_EPSILON, InputEmbedding
from lrbench.models.layers.initialisation import initialise
from lrbench.models.next_item import NextItemModel
from lrbench.models.reasoning import ReasoningModel, Recipe, Sizes

__all__ = ["STORED_BYTES", "LARESNetwork"]

_TRUNCATION = 3.0  # standard deviations at which the initial noise is cut

STORED_BYTES = 32 << 20
"""Bytes of activations that one trajectory may store. The backward pass recomputes the others."""


class LARESNetwork(NextItemModel[LARESConfig], ReasoningModel[LARESConfig]):
    """Pre-block, adapter and core block, unrolled for any number of steps."""

    Config = LARESConfig

    def __init__(self, config: LARESConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width, padded = config.width, config.padding == "tokens"
        padding_item = n_items if padded else None
        core_layers = config.core_layers if config.mean_depth else 0
        self.embedding = InputEmbedding(n_items, max_length, width, config.dropout, padding=padded)
        self.pre = make_backbone(config, config.pre_layers, max_length, padding_item)
        self.adapter: nn.Module | None = make_adapter(config.adapter, width)
        self.norm: nn.LayerNorm | None = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.core = make_backbone(config, core_layers, max_length, padding_item)
        initialise(self)
        if not config.mean_depth:
            self.leave_out("adapter", "norm")

    @classmethod
    def causal(cls, config: LARESConfig) -> bool:
        """Yes, unless its blocks have filters."""
        return backbone_is_causal(config.backbone)

    @classmethod
    def configured_depth(cls, config: LARESConfig) -> int:
        """The mean depth."""
        return config.mean_depth

    @classmethod
    def noisy(cls, config: LARESConfig) -> bool:
        """Only if ``start`` is ``normal`` and there are steps."""
        return config.start == "normal" and config.mean_depth > 0

    @classmethod
    def without_reasoning(cls, config: LARESConfig) -> Recipe:
        """The pre-block alone. Trajectory-level alignment stays. Without steps nothing can be reinforced."""
        return Recipe({**config.model_dump(), "mean_depth": 0}, ("supervised", "spt"))

    @classmethod
    def without_recurrence(cls, config: LARESConfig) -> Recipe:
        """A network with as many blocks as pre-block and core together, each run once.

        If blocks and scores are those of SASRec, it is SASRec. Otherwise it is a deeper pre-block without a
        core. Blocks without an inner width are matched by the width of the states.
        """
        layers = config.pre_layers + config.core_layers
        if config.backbone == "attention" and config.similarity == "dot":
            same = {name: getattr(config, name) for name in ("heads", "width", "inner_width", "dropout")}
            params = {**same, "layers": layers, "attention_dropout": config.dropout}
            return Recipe(params, model="sasrec")
        has_inner = config.backbone in ("attention", "bsarec")
        sizes = Sizes("pre_layers") if has_inner else Sizes("pre_layers", "width", config.heads)
        once = {**config.model_dump(), "pre_layers": layers, "mean_depth": 0}
        return Recipe(once, ("supervised",), sizes=sizes)

    @classmethod
    def same_losses(cls, config: LARESConfig) -> Recipe:
        """One pass through all blocks without noise. Trajectory-level alignment stays, as in DuoRec."""
        once = {"mean_depth": 1, "step_sampler": "constant", "start": "zero", "gamma": 0.0}
        return Recipe({**config.model_dump(), **once}, ("supervised", "spt"))

    def arrange(self, sequences: Packed) -> Packed:
        """The sequences as the blocks take them: with padding tokens if the configuration has them."""
        if self.config.padding == "absent":
            return sequences
        return sequences.padded(self.max_length, self.n_items, left=False)

    def arranged_rows(self, sequences: Packed, rows: Tensor) -> Tensor:
        """Where the tokens ``rows`` of ``sequences`` are after :meth:`arrange`, shaped as ``rows``."""
        if self.config.padding == "absent":
            return rows
        return sequences.places_when_padded(self.max_length, left=False)[rows]

    def prepare(self, sequences: Packed) -> Tensor:
        """Pre-block output H of sequences as :meth:`arrange` returns them, (tokens, width)."""
        return self.pre(self.embedding(sequences), sequences)

    def initial_state(self, pre: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """T₀ of every token, shaped as ``pre``, drawn from ``noise``; ``None``: torch's default source."""
        if self.config.start == "zero" or (self.config.start == "normal_zero" and not self.training):
            return torch.zeros_like(pre)
        device = pre.device if noise is None else noise.device
        drawn = torch.empty(pre.shape, dtype=pre.dtype, device=device)
        truncated_normal(drawn, self.config.noise_std, _TRUNCATION, noise)
        return drawn.mul_(self.config.noise_scale).to(pre.device)

    def step(self, state: Tensor, pre: Tensor, sequences: Packed) -> Tensor:
        """Take one reasoning step at every token, (tokens, width)."""
        return self.core(self.joined(state, pre), sequences)

    def joined(self, state: Tensor, pre: Tensor) -> Tensor:
        """What the core block gets, (tokens, width)."""
        assert self.adapter is not None and self.norm is not None  # without steps nothing joins
        joined: Tensor = self.norm(self.adapter(state, pre))
        return joined

    def unroll(self, pre: Tensor, sequences: Packed, steps: int) -> list[Tensor]:
        """States after each of ``steps`` steps from a fresh initial state, each (tokens, width).

        With 0 steps the only state is the pre-block's output. The last steps store their activations, as many
        as :data:`STORED_BYTES` allows. The backward pass recomputes earlier ones step by step.
        """
        if not steps:
            return [pre]

        state, states = self.initial_state(pre), []
        for left in range(steps, 0, -1):
            keep = len(pre) * left * self.config.core_layers * self.block_bytes <= STORED_BYTES
            state = self.refined(state, pre, sequences, keep)
            states.append(state)
        return states

    def refined(self, state: Tensor, pre: Tensor, sequences: Packed, keep: bool) -> Tensor:
        """Take one step as :meth:`step`. Without ``keep``, the backward pass recomputes its activations."""

        def step(state: Tensor, pre: Tensor) -> Tensor:
            return self.step(state, pre, sequences)

        return step(state, pre) if keep else recomputed(step, self, state, pre)

    @property
    def block_bytes(self) -> int:
        """About how many bytes of activations a block stores for each token: those of eleven states.

        Its hidden layer is stored only where tokens are few.
        """
        return 4 * 11 * self.config.width

    def draw_steps(self) -> int:
        """Number of steps of one training pass."""
        with self.drawn_once():
            return draw_steps(self.config.step_sampler, self.config.mean_depth)

    def token_states(self, sequences: Packed) -> Tensor:
        """States after a drawn number of steps, ready for scoring, (tokens, width)."""
        arranged = self.arrange(sequences)
        states = self.unroll(self.prepare(arranged), arranged, self.draw_steps())[-1]
        tokens = torch.arange(sequences.n_tokens, device=states.device)
        return self.user_vectors(states[self.arranged_rows(sequences, tokens)])

    def user_vectors(self, states: Tensor) -> Tensor:
        """States in the form that is multiplied with the item vectors, (…, width)."""
        return F.normalize(states, dim=-1) if self.config.similarity == "cos" else states

    def item_vectors(self) -> Tensor:
        """Items in the form that is multiplied with user vectors, (items, width). ``cos`` divides by τ.

        With padding tokens there is one more row, the last. The softmax includes it, as in the source.
        """
        weight = self.embedding.items.weight
        if self.config.similarity == "dot":
            return weight
        return F.normalize(weight, dim=-1) / self.config.temperature

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """States at the last item along one trajectory, (depths, sequences, width). Depth 0 gives H.

        With ``mean_depth`` 0 there is no step, so every depth gives H.
        """
        sequences, deepest = self.arrange(sequences), max(depths) if self.config.mean_depth else 0
        if not deepest:
            return self.pre.last(self.embedding(sequences), sequences).expand(len(depths), -1, -1)
        pre = self.prepare(sequences)
        reached = {0: pre.index_select(0, sequences.last)}
        state = self.initial_state(pre, noise)
        for depth in range(1, deepest):
            state = self.step(state, pre, sequences)
            reached[depth] = state.index_select(0, sequences.last)
            state = self.carried(state, noise, donors=partial(_donor_tokens, sequences))
        # Nothing follows the deepest step, so its last block computes the last items' states alone.
        reached[deepest] = self.core.last(self.joined(state, pre), sequences)
        return torch.stack([reached[depth] for depth in depths])

    def score(self, states: Tensor) -> Tensor:
        """Dot products, or cosines over the temperature, with all items, (rows, items)."""
        return self.user_vectors(states) @ self.item_vectors()[: self.n_items].T


def _donor_tokens(sequences: Packed, donors: Tensor) -> Tensor:
    """The donor of each token, (tokens,): the token of the donor history at the same distance from the end.

    If the donor's history is shorter, its first token is the donor of all earlier tokens. Padding after a
    history gets that of the donor in the same way. A donor without padding gives its last token.

    Args:
        sequences: the histories.
        donors: which history each history gets its states from, (sequences,).
    """
    donor = donors[sequences.sequence_of]
    padding = on_device(sequences.host.lengths, donors.device) - sequences.lengths
    ages = sequences.ages.clamp(min=-padding[donor], max=sequences.lengths[donor] - 1)
    return sequences.last[donor] - ages
