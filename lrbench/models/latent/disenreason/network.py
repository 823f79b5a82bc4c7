"""The network of DisenReason: encoder, pivot, latent users and their fusion.

The encoder is causal, so it runs once over a history. The Fourier transform mixes all positions, so each
prefix has its own spectrum, pivot and latent users. A depth is the largest number of latent users that are
extracted. Depth 0 ranks by the encoder's last state.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lrbench.config.accounts import MOST_MEMBERS
from lrbench.data.packing import Packed
from lrbench.models.latent.disenreason.extraction import Extraction, Residual, alive
from lrbench.models.latent.disenreason.pivot import Pivot, PivotForm, Pooling, band_bins
from lrbench.models.layers.blocks import transformer
from lrbench.models.layers.embeddings import InputEmbedding
from lrbench.models.layers.initialisation import initialise
from lrbench.models.layers.sizes import TransformerSizes
from lrbench.models.next_item import at_temperature
from lrbench.models.reasoning import ReasoningModel, Recipe

__all__ = ["DisenReasonConfig", "DisenReasonNetwork"]


class DisenReasonConfig(TransformerSizes):
    """Options of DisenReason: sizes, pivot, latent users and their fusion."""

    source = "lrbench's reading of arXiv 2603.03782, which has no public code; sizes are those of SASRec"

    users: int = Field(default=5, ge=0)
    """I, the largest number of latent users of an account. 0: the encoder alone."""

    count: Literal["stop", "fixed", "random"] = "stop"
    """Which latent users count. ``stop``: those before the first that is too similar to its predecessor.
    ``fixed``: all. ``random``: as many of the first ones as a random account had in training. The last two
    are controls."""

    likeness: float = Field(default=0.8, ge=-1, le=1)
    """θ. If the cosine of two consecutive latent users exceeds it, the later one and all after it do not
    count."""

    pivot: PivotForm = "bands"
    """The pivot, from which reasoning starts. ``bands``: the fused bands of the spectrum. ``shuffled-bands``:
    the same with random frequencies in each band. ``whole``: the pooled states without bands. ``last``: the
    last state. All but the first are controls."""

    pivot_input: Literal["states", "items"] = "states"
    """What the spectrum is of. ``states``: the encoder's states. ``items``: the embedded items."""

    bands: int = Field(default=4, ge=1)
    """Number of bands."""

    pooling: Pooling = "attention"
    """How a band becomes one vector. ``attention``: a sum over positions, weighted by learned attention.
    ``mean``: the mean. ``rms``: the root mean square of each channel. With ``mean``, bands without frequency
    0 are pooled to 0 if the history has the maximum length."""

    residual: Residual = "subtract"
    """What remains of z after a latent user is found. ``subtract``: z minus the user. ``project``: z without
    its component along the user. ``none``: all of z."""

    queries: Literal["residual", "learned"] = "residual"
    """The query of the attention that finds a latent user. ``residual``: what remains of z. ``learned``, a
    control: a learned vector for each latent user. It does not read z, so that noise or another history's z
    changes nothing."""

    fusion: Literal["gate", "mixture", "max"] = "gate"
    """How latent users are joined. ``gate``: a weighted sum of their vectors. ``mixture``: a weighted sum of
    their probabilities of the items. ``max``: the best of their scores of each item."""

    membership: Literal["latent", "known"] = "latent"
    """Who used the account. ``latent``: the model is not told. ``known``, an oracle and no method: the model
    is told whose each item is, and whose the next one is. It shows how much there is to gain."""

    last_state: bool = True
    """Whether the encoder's last state is added to the weighted sum of ``gate``."""

    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the input and on what each half of a block adds. It is also the rate on the attention
    weights that find latent users."""

    attention_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the attention weights of the encoder."""

    temperature: float = Field(default=1.0, gt=0)
    """It divides all scores in training and in ranking."""

    @property
    def needs_members(self) -> bool:
        """Yes, if ``membership`` is ``known``."""
        return self.membership == "known"

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse more bands than the spectrum can be cut into.

        Raises:
            ValueError: how many bands are asked for, and how many can be made.
        """
        super().check_against_protocol(max_length, stages)
        made = len(band_bins(max_length, self.bands))
        if self.users and self.pivot in ("bands", "shuffled-bands") and made < self.bands:
            raise ValueError(
                f"bands = {self.bands} cannot be cut from the {max_length // 2 + 1} frequencies of "
                f"{max_length} items at equal widths. Set bands = {made}."
            )

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options that the kind of count, query, pivot or fusion leaves out.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.count == "fixed":
            self.refuse_changed(
                ("likeness",), 'count = "fixed" counts all latent users', 'set count to "stop" or "random"'
            )
        if self.queries == "learned":
            self.refuse_changed(
                ("pivot", "pivot_input", "bands", "pooling", "residual"),
                'queries = "learned" does not read the pivot',
                'set queries = "residual"',
            )
        if self.pivot in ("whole", "last"):
            self.refuse_changed(
                ("bands",), f'pivot = "{self.pivot}" has none', 'set pivot to "bands" or "shuffled-bands"'
            )
        if self.pivot == "last":
            self.refuse_changed(
                ("pooling",), 'pivot = "last" pools nothing', 'set pivot = "bands" or pivot = "whole"'
            )
        if self.fusion != "gate":
            self.refuse_changed(
                ("last_state",), f'fusion = "{self.fusion}" adds no last state', 'set fusion = "gate"'
            )


class DisenReasonNetwork(ReasoningModel[DisenReasonConfig]):
    """Encoder, pivot, latent users and their fusion."""

    Config = DisenReasonConfig
    seen_counts: Tensor

    def __init__(self, config: DisenReasonConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width = config.width
        self.embedding = InputEmbedding(n_items, max_length, width, config.dropout)
        self.encoder = transformer(
            config.layers, width, config.heads, config.inner_width, config.dropout, config.attention_dropout
        )
        if config.users:
            self.pivot: Pivot | None = Pivot(max_length, width, config.pivot, config.bands, config.pooling)
            self.extraction = Extraction(
                width, config.heads, config.inner_width, config.dropout, config.residual
            )
            self.gate: nn.Linear | None = nn.Linear(width, width, bias=False)
            # Whole numbers: float32 cannot count beyond 2^24, and an epoch may have a million targets.
            self.register_buffer("seen_counts", torch.zeros(config.users, dtype=torch.int64))
        if config.membership == "known":
            self.whose, self.whose_next = nn.Embedding(MOST_MEMBERS, width), nn.Embedding(MOST_MEMBERS, width)
        initialise(self)
        if config.users:
            self.leave_out(*_without_use(config))
        if config.users and config.queries == "learned":
            self.learned_queries = nn.Parameter(torch.randn(config.users, width) * 0.02)

    @classmethod
    def causal(cls, config: DisenReasonConfig) -> bool:
        """Yes: pivot and latent users of a prefix depend on no later item."""
        return True

    @classmethod
    def configured_depth(cls, config: DisenReasonConfig) -> int:
        """Return the largest number of latent users."""
        return config.users

    @classmethod
    def noisy(cls, config: DisenReasonConfig) -> bool:
        """Whether the number of latent users is drawn at random."""
        return bool(config.users and config.count == "random")

    @classmethod
    def without_reasoning(cls, config: DisenReasonConfig) -> Recipe:
        """Use no latent users: the encoder with its cross-entropy."""
        return Recipe({**config.model_dump(), "users": 0})

    @classmethod
    def without_recurrence(cls, config: DisenReasonConfig) -> Recipe:
        """Use SASRec with the same sizes and temperature.

        If the members are known, use the encoder that is told them. They are an input.
        """
        if config.membership == "known":
            return cls.without_reasoning(config)
        fields = {"layers", "heads", "width", "inner_width", "dropout", "attention_dropout", "temperature"}
        return Recipe(config.model_dump(include=fields), model="sasrec")

    @classmethod
    def same_losses(cls, config: DisenReasonConfig) -> Recipe:
        """Use the encoder alone, as there are no auxiliary losses."""
        return cls.without_reasoning(config)

    def item_vectors(self) -> Tensor:
        """Return the item embeddings divided by the temperature, (items, width)."""
        return at_temperature(self.embedding.items.weight, self.config.temperature)

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Return the input of :meth:`score` for each number of latent users, (depths, sequences, …)."""
        last, users = self.last_and_users(sequences, max(depths), everywhere=False, noise=noise)
        counted = self.counted(users, noise)
        return torch.stack([self.fused(last, users[:depth], counted[:depth]) for depth in depths])

    def last_and_users(
        self, sequences: Packed, number: int, everywhere: bool, noise: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode histories and extract latent users.

        Args:
            sequences: the histories.
            number: how many latent users.
            everywhere: whether the history up to each token is a row. Otherwise each whole history is one, in
                the order given to ``pack``.
            noise: source of noise for the noise-only control.

        Returns:
            The encoder's last state of each row, (rows, width), and u_1 … u_number, (number, rows, width).
        """
        embedded = self._embedded(sequences)
        states = self.encoder(embedded, sequences)
        last = states if everywhere else states.index_select(0, sequences.last)
        if not number or not self.config.users:
            return last, last.new_zeros(number, *last.shape)
        source = states if self.config.pivot_input == "states" else embedded
        state = last if self.pivot is None else self.pivot(source, sequences, everywhere)
        memory = self.extraction.memory(states)
        users = []
        for index in range(number):
            state = self.carried(state, noise)
            if self.config.queries == "learned":
                query = self.learned_queries[min(index, self.config.users - 1)].expand_as(state)
                users.append(self.extraction(query, memory, sequences, everywhere)[0])
            else:
                user, state = self.extraction(state, memory, sequences, everywhere)
                users.append(user)
        return last, torch.stack(users)

    def _embedded(self, sequences: Packed) -> Tensor:
        """Return the embedded items, (tokens, width)."""
        summed = self.embedding.sum(sequences)
        if self.config.membership == "known":
            assert sequences.members is not None and sequences.next_members is not None  # see `needs_members`
            summed = summed + self.whose(sequences.members) + self.whose_next(sequences.next_members)
        return self.embedding.finish(summed)

    def counted(self, users: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Return which latent users count, (users, rows).

        With ``stop`` and ``random``, training also counts how often there were 1, 2, … of them. ``random``
        draws from these counts.
        """
        if not self.config.users or not len(users):
            return torch.zeros_like(users[..., 0], dtype=torch.bool)
        if self.config.count == "fixed":
            return torch.ones_like(users[..., 0], dtype=torch.bool)
        counted = alive(users, self.config.likeness)
        if self.training:
            numbers = counted.sum(0).clamp(max=self.config.users)
            self.seen_counts.scatter_add_(0, numbers - 1, torch.ones_like(numbers))
        if self.config.count == "random":
            drawn = self._drawn_counts(users.shape[1], noise)  # (rows,), from 1
            counted = torch.arange(len(users), device=users.device)[:, None] < drawn
        return counted

    def _drawn_counts(self, rows: int, noise: torch.Generator | None) -> Tensor:
        """Draw numbers of latent users as often as training saw them, (rows,)."""
        counts = self.seen_counts + (self.seen_counts.sum() == 0)  # equal shares before the first batch
        shares = counts.float()
        place = shares.device if noise is None else noise.device
        drawn = torch.multinomial(shares.to(place), rows, replacement=True, generator=noise)
        return drawn.to(shares.device) + 1

    def weights(self, last: Tensor, users: Tensor, counted: Tensor) -> Tensor:
        """Return log π, the log of each latent user's share, (users, rows). It is −∞ if the user does not
        count. Without a gate all that count have equal shares.
        """
        scores = users.new_zeros(counted.shape) if self.gate is None else (users * self.gate(last)).sum(-1)
        shares: Tensor = scores.masked_fill(~counted, -torch.inf).log_softmax(0)
        return shares

    def fused(self, last: Tensor, users: Tensor, counted: Tensor) -> Tensor:
        """Return the states that :meth:`score` ranks by.

        Args:
            last: the encoder's last states, (rows, width).
            users: (users, rows, width). Without any, the last state is ranked.
            counted: (users, rows).

        Returns:
            For ``gate`` one vector, (rows, width). Otherwise the last state and the latent users, each with
            the log of its share, (rows, (I + 1) · (width + 1)).
        """
        number = len(users) if self.config.users else 0
        if self.config.fusion == "gate":
            if not number:
                return last
            shares = self.weights(last, users, counted).exp().unsqueeze(-1)
            mixed = (shares * users).sum(0)
            return mixed + last if self.config.last_state else mixed
        slots = last.new_zeros(len(last), self.config.users + 1, last.shape[-1] + 1)
        slots[..., -1] = -torch.inf
        slots[:, 0, :-1] = last
        if not number:
            slots[:, 0, -1] = 0
            return slots.flatten(1)
        kept = min(number, self.config.users)
        shares = self.weights(last, users[:kept], counted[:kept])
        slots[:, 1 : kept + 1, :-1] = users[:kept].movedim(0, 1)
        slots[:, 1 : kept + 1, -1] = shares.T
        return slots.flatten(1)

    def score(self, states: Tensor) -> Tensor:
        """Return the scores of all items, (rows, items), from the output of :meth:`fused`."""
        items = self.item_vectors()
        if self.config.fusion == "gate":
            return states @ items.T
        slots = states.unflatten(-1, (self.config.users + 1, -1))  # type: ignore[no-untyped-call]
        total = torch.full((len(states), self.n_items), -torch.inf, dtype=states.dtype, device=states.device)
        for slot in slots.unbind(1):
            scores, share = slot[:, :-1] @ items.T, slot[:, -1:]
            if self.config.fusion == "mixture":
                total = torch.logaddexp(total, scores.log_softmax(-1) + share)
            else:
                total = torch.maximum(total, torch.where(share > -torch.inf, scores, -torch.inf))
        return total


def _without_use(config: DisenReasonConfig) -> list[str]:
    """Return the parts of the pivot and of the fusion that these options leave without use."""
    parts = ["gate"] if config.fusion == "max" else []
    if config.queries == "learned":
        return [*parts, "pivot"]
    if config.pivot == "last":
        return parts
    if config.pooling != "attention":
        parts.append("pivot.attention")
    if config.pivot == "whole" or config.bands == 1:
        parts += ["pivot.fuse", "pivot.score"]
    return parts
