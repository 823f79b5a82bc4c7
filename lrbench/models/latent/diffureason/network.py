"""The network of DiffuReason: thinking tokens, then reverse steps of a diffusion.

*Think.* As in ReaRec, r_k is the state of the k-th latent token after the history. The hypothesis c is r_K.
*Diffuse.* The clean variable x_0 is the target's embedding, scaled to a root mean square of 1. Item
embeddings start with a standard deviation of 0.02. Without the scaling, noise of variance 1 would hide them.
The denoiser predicts x_0 from x_t, t and c. S reverse steps (DDIM, η = 0) lead from noise to the intent that
is ranked.

A **depth** counts latent steps of both kinds. A depth k up to K ranks r_k, the thinking alone. Depth K + j
ranks the prediction of the j-th call of the denoiser. The whole model has depth K + S. Beyond it, calls at
the last noise level follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.models.latent.diffureason.config import DiffuReasonConfig
from lrbench.models.latent.diffureason.denoiser import Denoiser
from lrbench.models.latent.diffureason.thoughts import Thoughts, history_of
from lrbench.models.latent.rearec.network import ReaRecNetwork, running_means
from lrbench.models.layers.diffusion import (
    ReverseStep,
    drawn,
    noised,
    reverse_step,
    sampler_levels,
    signal_rates,
)
from lrbench.models.next_item import at_temperature
from lrbench.models.reasoning import Recipe

__all__ = ["DiffuReasonNetwork", "unit_rms"]


def unit_rms(vectors: Tensor) -> Tensor:
    """Scale vectors to a root mean square of 1 over the channels, (…, width)."""
    return F.normalize(vectors, dim=-1) * vectors.shape[-1] ** 0.5


class DiffuReasonNetwork(ReaRecNetwork[DiffuReasonConfig]):
    """Encoder, thinking tokens and denoiser."""

    Config = DiffuReasonConfig
    rates: Tensor

    def __init__(self, config: DiffuReasonConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        if config.sampler_steps:
            self.denoiser = Denoiser(config.width, config.denoiser)
            rates = signal_rates(config.noise_levels, config.noise_schedule).to(torch.get_default_dtype())
            self.register_buffer("rates", rates, persistent=False)
            if not config.guidance and not (config.guidance_dropout and config.denoised):
                self.leave_out("denoiser.null")

    @classmethod
    def configured_depth(cls, config: DiffuReasonConfig) -> int:
        """Return the thinking tokens plus the calls of the denoiser, or 0 if views replace the tokens."""
        return config.steps + config.sampler_steps if config.chain == "reasoning" else 0

    @classmethod
    def noisy(cls, config: DiffuReasonConfig) -> bool:
        """Whether the reverse chain starts from noise."""
        return config.sampler_steps > 0 and config.refinement == "diffusion" and config.start != "zero"

    @classmethod
    def without_reasoning(cls, config: DiffuReasonConfig) -> Recipe:
        """Use neither thinking tokens nor diffusion: the encoder with its cross-entropy."""
        params = {**config.model_dump(), "steps": 0, "sampler_steps": 0, "policy_weight": 0.0}
        return Recipe(params, ("supervised",))

    @classmethod
    def without_recurrence(cls, config: DiffuReasonConfig) -> Recipe:
        """Use the encoder alone, with the scores of the model. With dot products: the control of ReaRec."""
        plain = super().without_recurrence(config)
        if config.scores == "dot":
            return plain
        return replace(cls.without_reasoning(config), sizes=plain.sizes)

    def item_vectors(self) -> Tensor:
        """Return the item vectors that score intents, divided by the temperature, (items, width)."""
        items = self.embedding.items.weight
        if self.config.scores == "cosine":
            items = F.normalize(items, dim=-1) / self.config.width**0.5
        return at_temperature(items, self.config.temperature)

    def representations(self, states: Tensor) -> Tensor:
        """Return the hypotheses after 0, 1, … tokens: the states, or their means so far."""
        if self.config.condition == "last":
            return states
        return running_means(states)

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Return the intent after each number of latent steps, (depths, sequences, width)."""
        steps, thinking = max(depths), self.config.steps
        thoughts = self.think(sequences, everywhere=False, steps=min(steps, thinking), noise=noise)
        reached = list(self.representations(thoughts.states))
        if steps > thinking and self.config.sampler_steps:
            reached += self._refined(thoughts, steps - thinking, noise)
        while len(reached) <= steps:  # without a denoiser nothing comes after the last thinking state
            reached.append(reached[-1])
        return torch.stack([reached[depth] for depth in depths])

    def clean(self, items: Tensor) -> Tensor:
        """Return x_0 of items, (rows,) → (rows, width)."""
        return unit_rms(self.embedding.items(items))

    def think(
        self, sequences: Packed, everywhere: bool, steps: int, noise: torch.Generator | None = None
    ) -> Thoughts:
        """Encode the items and append thinking tokens.

        Args:
            sequences: the histories.
            everywhere: think after every token; otherwise after the last token of each sequence.
            steps: how many tokens.
            noise: source of noise for the noise-only control.
        """
        if not self._reads_history:
            return Thoughts(self.reason(sequences, everywhere, steps, noise)[0])
        tokens, memories = self.encode_items(sequences, everywhere=True)
        rows = tokens if everywhere else tokens.index_select(0, sequences.last)
        states, _ = self.take_steps((rows, self.chains(sequences, memories, everywhere, 1)), steps, noise)
        at = torch.arange(len(tokens), device=tokens.device) if everywhere else sequences.last
        return Thoughts(states, history_of(tokens, at, sequences))

    def training_thoughts(self, batch: TrainingBatch) -> Thoughts:
        """Return the thoughts that predict the batch's targets."""
        sequences, everywhere = batch.sequences, not batch.ends_sequences
        if self.config.chain == "views":
            states = self.views(batch, self.config.steps + 1)
            if not self._reads_history:
                return Thoughts(states)
            tokens, _ = self.encode_items(sequences, everywhere=True)
            return Thoughts(states, history_of(tokens, batch.rows, sequences))
        rows = batch.rows if everywhere else sequences.sequence_of[batch.rows]
        return self.think(sequences, everywhere, self.config.steps).of(rows)

    @property
    def _reads_history(self) -> bool:
        """Whether the denoiser attends to the states of the items."""
        return self.config.denoiser == "history" and self.config.sampler_steps > 0

    def condition(self, thoughts: Thoughts) -> Tensor:
        """Return what the denoiser reads: c, (rows, width), or what it attends to, (rows, states, …)."""
        match self.config.denoiser:
            case "attention":
                return thoughts.states.movedim(0, 1)
            case "history":
                assert thoughts.history is not None
                chain = F.pad(thoughts.states.movedim(0, 1), (0, 1))
                return torch.cat((thoughts.history, chain), 1)
            case _:
                return self.hypothesis(thoughts.states)

    def hypothesis(self, states: Tensor) -> Tensor:
        """Return c, (rows, width), from r_0 … r_K, (K + 1, rows, width)."""
        return self.representations(states)[-1]

    def levels(self) -> list[int]:
        """Return the S + 1 levels of the sampler, from the first down to 0."""
        config = self.config
        share = config.start_level if config.start == "hypothesis" else 1.0
        first = max(round(share * config.noise_levels), config.sampler_steps)
        return sampler_levels(first, config.sampler_steps)

    def starting_state(self, hypothesis: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
        """Return x at the first level, (…, width).

        Args:
            hypothesis: c, (…, width).
            draw: gives standard normal noise of a tensor's shape.
        """
        match self.config.start:
            case "zero":
                return torch.zeros_like(hypothesis)
            case "hypothesis":
                return noised(unit_rms(hypothesis), self.rates[self.levels()[0]], draw(hypothesis))
            case _:
                return draw(hypothesis)

    def predicted(self, state: Tensor, level: int, condition: Tensor) -> Tensor:
        """Return x̂_0 with guidance, as at inference, (…, width)."""
        at = torch.full((), level, device=state.device)
        clean = self.denoiser(state, at, condition)
        if not self.config.guidance:
            return clean
        free = self.denoiser(state, at, self.denoiser.without(condition))
        return (1 + self.config.guidance) * clean - self.config.guidance * free

    def reverse(self, state: Tensor, clean: Tensor, level: int, after: int, eta: float) -> ReverseStep:
        """Return the distribution of x at the next level.

        The prediction is first scaled to a root mean square of 1, as clean variables are. Cross-entropy does
        not fix its length, and the denoiser is trained on noised clean variables alone.

        Args:
            state: x at the present level, (…, width).
            clean: x̂_0 predicted from it, (…, width).
            level: present level.
            after: next level.
            eta: η, share of new noise.
        """
        return reverse_step(state, unit_rms(clean), self.rates[level], self.rates[after], eta)

    def _refined(self, thoughts: Thoughts, calls: int, noise: torch.Generator | None) -> list[Tensor]:
        """Return the predictions of the first calls, each the mean over the ensemble, (sequences, width)."""
        config = self.config
        # An intervention replaces what the first call gets, the thoughts. Later calls get a replaced x.
        carried = self.carried(thoughts.states, noise, dim=1)
        condition, hypothesis = self.condition(Thoughts(carried, thoughts.history)), self.hypothesis(carried)
        if config.refinement == "deterministic":
            return self._repeated(unit_rms(hypothesis), condition, calls, noise)
        runs = config.ensemble if config.start != "zero" else 1
        condition = condition.expand(runs, *condition.shape)
        hypothesis = hypothesis.expand(runs, *hypothesis.shape)
        state = self.starting_state(hypothesis, lambda like: drawn(like, noise))
        levels, predictions = self.levels(), []
        for call in range(calls):
            if call:
                state = self.carried(state, noise, dim=1)
            place = min(call, config.sampler_steps - 1)
            level, after = levels[place], levels[place + 1]
            clean = self.predicted(state, level, condition)
            predictions.append(clean.mean(0))
            after = after if call < config.sampler_steps - 1 else level
            state = self.reverse(state, clean, level, after, eta=0.0).mean
        return predictions

    def _repeated(
        self, state: Tensor, condition: Tensor, calls: int, noise: torch.Generator | None
    ) -> list[Tensor]:
        """Run the denoiser on its own output and return each output, (sequences, width)."""
        levels, outputs = self.levels(), []
        for call in range(calls):
            if call:
                state = self.carried(state, noise)
            state = self.predicted(state, levels[min(call, self.config.sampler_steps - 1)], condition)
            outputs.append(state)
        return outputs

    def repeated(self, thoughts: Thoughts) -> Tensor:
        """Return the intent of training rows under ``deterministic``, (rows, width)."""
        start = unit_rms(self.hypothesis(thoughts.states))
        return self._repeated(start, self.condition(thoughts), self.config.sampler_steps, None)[-1]
