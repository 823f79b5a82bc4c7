"""What all recommenders on a language model share: reading histories as prompts, and ranking items by title.

There is no vector of a user that could be multiplied with items. So ``encode`` returns the scores of all
items, and ``score`` returns them unchanged. Prompts of similar lengths are read together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from typing_extensions import TypeVar

from lrbench.arrays import Int64s
from lrbench.data.packing import Packed
from lrbench.errors import RequestError
from lrbench.models.base import Model
from lrbench.models.language.base_models import load_base
from lrbench.models.language.beam import beam_scores
from lrbench.models.language.config import LanguageConfig
from lrbench.models.language.continuation import Continuation, LanguageNetwork, padded_rows
from lrbench.models.language.prompts import make_prompts
from lrbench.models.language.scoring import Mix, answer_scores
from lrbench.models.language.trie import build_trie

__all__ = ["LanguageConfigT", "LanguageRecommender", "Mixes", "cut_parts"]

_LORA = "lora_"
_HEAD = "language.network.lm_head.weight"

LanguageConfigT = TypeVar("LanguageConfigT", bound=LanguageConfig, default=Any)
"""The configuration of a recommender on a language model."""

Mixes = Callable[[Tensor], Mix]
"""Takes the places of some sequences, (rows,), and returns the :data:`Mix` for them."""


def cut_parts(rows: Sequence[Int64s], most_tokens: int) -> Iterator[Int64s]:
    """Cut rows into parts of similar lengths.

    Args:
        rows: token numbers of each.
        most_tokens: largest number of tokens of a part, with its padding. A longer row is a part of its own.

    Yields:
        Which rows form each part, (rows of the part,), the shortest first.
    """
    lengths = np.array([len(row) for row in rows])
    order = np.argsort(lengths, kind="stable")
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or (stop + 1 - start) * lengths[order[stop]] > most_tokens:
            yield order[start:stop]
            start = stop


class LanguageRecommender(Model[LanguageConfigT]):
    """A language model that continues a prompt of titles by the title of the next item.

    Args:
        config: its configuration.
        n_items: items of the catalogue.
        max_length: largest number of titles of a prompt.
        titles: of all items.

    Raises:
        RequestError: there are no titles, or the base model cannot be loaded.
    """

    reads_titles: ClassVar[bool] = True
    latency_batches: ClassVar[tuple[int, ...]] = (1,)

    def __init__(
        self, config: LanguageConfigT, n_items: int, max_length: int, titles: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, n_items, max_length)
        if titles is None:
            raise RequestError(
                "A language model needs the titles of the items.", "Use a dataset with titles."
            )
        base = load_base(config.base, titles, config.base_precision)
        if config.lora_rank:
            _add_adapters(base.network, config.lora_rank)
        self.tokens = base.tokens
        self.language = LanguageNetwork(base.network)
        self.prompts = make_prompts(
            titles,
            base.tokens,
            config.category,
            config.prompt_tokens,
            config.title_tokens,
            config.template,
        )
        self.trie = build_trie(self.prompts.answers)

    @classmethod
    def on_catalogue(cls, config: LanguageConfigT, titles: Sequence[str], max_length: int) -> Self:
        """Return a model for items with these titles."""
        return cls(config, len(titles), max_length, titles)

    @classmethod
    def causal(cls, config: LanguageConfigT) -> bool:
        """No: each history is a prompt of its own, so prefixes are the training rows."""
        return False

    def train_base(self, trained: bool) -> None:
        """Let gradients reach the base model, or its adapters alone if it has some. Otherwise freeze it."""
        for name, parameter in self.language.named_parameters():
            parameter.requires_grad_(trained and (_LORA in name or not self.config.lora_rank))

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Scores of all items, (depths, sequences, items)."""
        rows = self.prompts.of(sequences)
        device = sequences.items.device
        scores = torch.empty(len(depths), len(rows), self.n_items, device=device)
        mix = self.mixes(sequences)
        for part in cut_parts(rows, self.config.part_tokens):
            prompts = self.language.read([rows[row] for row in part], device)
            places = torch.from_numpy(part).to(device)
            for index, context in enumerate(self.continuations(prompts, places, depths, noise)):
                scores[index, places] = self.ranked(context, None if mix is None else mix(places))
        return scores

    def score(self, states: Tensor) -> Tensor:
        """Return the scores that ``encode`` gave, (rows, items)."""
        return states

    def continuations(
        self, prompts: Continuation, places: Tensor, depths: Sequence[int], noise: torch.Generator | None
    ) -> Iterator[Continuation]:
        """Yield what comes before the answer at each depth: the prompts, or prompts with latents.

        Args:
            prompts: of some of the sequences.
            places: which sequences these are, (rows,).
            depths: numbers of latents, ascending.
            noise: source of noise, if noise replaces latents.
        """
        for _ in depths:
            yield prompts

    def mixes(self, sequences: Packed) -> Mixes | None:
        """Return what changes the scores of the trie's edges, or ``None`` if nothing does."""
        return None

    def answer_logs(self, context: Continuation, items: Sequence[int]) -> Tensor:
        """Mean log-probability of the tokens of each row's answer, in each branch, (rows, branches).

        Args:
            context: prompts, perhaps with latents in branches.
            items: the item of each row, (rows,).
        """
        answers = [self.prompts.answers[item] for item in items]
        logs, real = self._token_logs(context, answers)
        return (logs * real[:, None]).sum(-1) / real.sum(-1)[:, None]

    def answer_sums(self, context: Continuation, items: Sequence[int]) -> tuple[Tensor, int]:
        """Sum over all target tokens of their log-probability in the first branch, a scalar; their number.

        Args:
            context: prompts, perhaps with latents in branches.
            items: the item of each row, (rows,).
        """
        logs, real = self._token_logs(context, [self.prompts.answers[item] for item in items])
        return (logs[:, 0] * real).sum(), int(real.sum())

    def _token_logs(self, context: Continuation, answers: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Log-probabilities of target tokens, (rows, branches, length); which are real, (rows, length)."""
        tokens, real = padded_rows(answers, context.lengths.device)
        branches = context.last_states.shape[1]
        embedded = self.language.embed(tokens[:, :-1])[:, None].expand(-1, branches, -1, -1)
        _, states = context.grown(embedded)
        before = torch.cat((context.last_states[:, :, None], states), 2)  # (rows, branches, length, width)
        logs = self.language.logits(before).log_softmax(-1)
        index = tokens[:, None, :, None].expand(-1, branches, -1, 1)
        return logs.gather(-1, index)[..., 0], real

    def ranked(self, context: Continuation, mix: Mix | None) -> Tensor:
        """Scores of all items after prompts, perhaps with latents in one branch, (rows, items).

        Args:
            context: prompts and latents.
            mix: what changes the scores of the trie's edges; ``None``: nothing does.
        """
        config = self.config
        if config.ranking == "catalogue":
            return answer_scores(context, self.trie, config.length_penalty, mix)
        return beam_scores(context, self.trie, config.beams, config.length_penalty, mix)

    def state_dict(self, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """The weights that a trial stores.

        Those of a base model that is never trained are left out. Weights that two layers share are there
        once.
        """
        weights: dict[str, Any] = super().state_dict(**options)
        return {name: weight for name, weight in weights.items() if self._stored(name)}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights that :meth:`state_dict` returned. A base model that is never trained stays as it is.

        Raises:
            RuntimeError: with ``strict``, names are missing or unknown.
        """
        if strict and (others := state_dict.keys() ^ self.state_dict().keys()):
            raise RuntimeError(f"missing or unknown weights: {', '.join(sorted(others))}")
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def _stored(self, name: str) -> bool:
        if name == _HEAD and self.language.network.config.tie_word_embeddings:
            return False  # it is the table of embeddings
        return not self.config.lora_rank or _LORA in name or not name.startswith("language.")


def _add_adapters(network: Any, rank: int) -> None:
    """Add low-rank adapters to queries and values, with BIGRec's scale of 2 and dropout rate of 0.05.

    They are float32 whatever the type of the base model's weights. In a coarser type Adam's small steps could
    be lost.
    """
    from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415 - heavy, and an extra

    adapters = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.05, target_modules=["q_proj", "v_proj"])
    inject_adapter_in_model(adapters, network)
    for name, parameter in network.named_parameters():
        if _LORA in name:
            parameter.data = parameter.data.float()
