"""The language model of LatentR³, and what makes its latent tokens: one attention, or a learned constant."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lrbench.data.packing import Packed
from lrbench.errors import RequestError
from lrbench.models.language.continuation import Continuation
from lrbench.models.language.latentr3.config import LatentR3Config
from lrbench.models.language.recommender import LanguageRecommender, cut_parts
from lrbench.models.layers.latent_attention import LatentAttention
from lrbench.models.reasoning import ReasoningModel, Recipe

__all__ = ["LatentR3Network"]


class LatentR3Network(LanguageRecommender[LatentR3Config], ReasoningModel[LatentR3Config]):
    """A language model that appends latent tokens to its prompt."""

    Config = LatentR3Config

    def __init__(
        self, config: LatentR3Config, n_items: int, max_length: int, titles: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, n_items, max_length, titles)
        width = self.language.width
        attends = config.latent == "attention"
        self.attention = LatentAttention(width, config.reach) if attends else None
        self.constant = None if attends else nn.Parameter(torch.randn(width) * 0.02)
        # The first, second, … latent of all sequences, (sequences, width) each, if donors give latents.
        self._own: list[Tensor] = []

    @classmethod
    def configured_depth(cls, config: LatentR3Config) -> int:
        """The number of latents."""
        return config.latents

    @classmethod
    def without_reasoning(cls, config: LatentR3Config) -> Recipe:
        """The same language model without latents."""
        return Recipe({**config.model_dump(), "latents": 0}, ("sft",))

    @classmethod
    def without_recurrence(cls, config: LatentR3Config) -> Recipe:
        """There is none: a pretrained model has no size that could be varied.

        Raises:
            RequestError: always.
        """
        raise RequestError(
            "The size of a pretrained base model cannot be varied to match another.",
            "Leave the parameter-matched and the flops-matched control out.",
        )

    @classmethod
    def same_losses(cls, config: LatentR3Config) -> Recipe:
        """The same stages on a latent that is the same for every history."""
        return Recipe({**config.model_dump(), "latent": "constant"})

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Scores of all items after each number of latents, (depths, sequences, items).

        If histories get the latents of others, these are what each donor makes from its own prompt.
        """
        if self.replacement is not None and self.replacement.kind == "other":
            self._own = self._latents_of(sequences, max(depths))
        return super().encode(sequences, depths, noise)

    def continuations(
        self, prompts: Continuation, places: Tensor, depths: Sequence[int], noise: torch.Generator | None
    ) -> Iterator[Continuation]:
        """Yield the prompts with each number of latents."""
        context = prompts
        for number in range(max(depths) + 1):
            if number:
                context = self._thought(context, number - 1, places, noise)
            if number in depths:
                yield context

    def latent(self, context: Continuation) -> Tensor:
        """Make the next latent of every branch, (rows, branches, width)."""
        state = context.last_states  # (rows, branches, width)
        if self.attention is None:
            assert self.constant is not None
            return self.constant.expand_as(state)
        rows, count, _ = state.shape
        device = state.device
        prompt = torch.arange(context.prompt_states.shape[1], device=device).expand(rows, -1)
        latents = torch.arange(context.branch_length, device=device)
        at = context.lengths + context.branch_length - 1
        made = []
        for branch in range(count):
            own = (
                context.prompt_states[:, :0]
                if context.branch_states is None
                else context.branch_states[:, branch]
            )
            states = torch.cat((context.prompt_states, own), 1)
            real = torch.cat((context.prompt_real, torch.ones_like(own[..., 0], dtype=torch.bool)), 1)
            positions = torch.cat((prompt, context.lengths[:, None] + latents), 1)
            made.append(self.attention.over_padded(states, real, positions, state[:, branch], at))
        return torch.stack(made, 1)

    def _thought(
        self, context: Continuation, number: int, places: Tensor, noise: torch.Generator | None
    ) -> Continuation:
        """Append a latent, or what replaces it."""
        if self.replacement is not None and self.replacement.kind == "other":
            latent = self.carried(self._own[number], noise)[places, None]
        else:
            latent = self.carried(self.latent(context), noise)
        return context.grown(latent.unsqueeze(2))[0]

    def _latents_of(self, sequences: Packed, count: int) -> list[Tensor]:
        """Make the first ``count`` latents of all histories, (sequences, width) each."""
        rows, device = self.prompts.of(sequences), sequences.items.device
        made = [torch.empty(len(rows), self.language.width, device=device) for _ in range(count)]
        for part in cut_parts(rows, self.config.part_tokens):
            context = self.language.read([rows[row] for row in part], device)
            for latents in made:
                latent = self.latent(context)
                latents[torch.from_numpy(part).to(device)] = latent[:, 0]
                context, _ = context.grown(latent.unsqueeze(2))
        return made
