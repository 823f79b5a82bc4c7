"""BIGRec (arXiv 2308.08434): the language model writes freely; its answer is grounded in the catalogue.

A free beam search writes an answer, and its best beam is kept. The vector of a text is the state of its last
token in the base model without adapters. Items are ranked by the distance between the vectors of their titles
and of that answer (SAI990323/BIGRec).

Distances D may be corrected: ``D̂ · (1 + Ŵ)^(−γ)``. D̂ and Ŵ are D and W, scaled to between 0 and 1 for each
history. W is the popularity of an item in training, or the score that SASRec gives it.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from lrbench.arrays import Int64s
from lrbench.data.batches import TrainingData
from lrbench.data.packing import Packed
from lrbench.models.base import AuthorsTraining
from lrbench.models.language.assisted.recommender import (
    AssistantTraining,
    AssistedConfig,
    AssistedFineTuning,
    AssistedRecommender,
    WeightChoice,
)
from lrbench.models.language.continuation import padded_rows
from lrbench.models.language.recommender import cut_parts

__all__ = ["BigRecGround", "BigRecGroundConfig"]

_SFT = {
    "learning_rate": 1e-4,
    "warmup_steps": 20,
    "decay": "linear",
    "optimiser": "adamw",
    "gradient_clip": 1.0,
    "batch_size": 128,
    "max_epochs": 50,
    "patience": 5,
}


class BigRecGroundConfig(AssistedConfig):
    """Adapters, free generation and corrections."""

    source = "BIGRec's code (SAI990323/BIGRec)"
    with_assistant = 'set correction = "collaborative"'

    lora_rank: int = Field(default=8, ge=1)
    """Rank of low-rank adapters on queries and values (code: 8). The base model's own weights are frozen,
    since they also make the vectors of titles."""

    few_shot: int | None = Field(default=1024, ge=1)
    """How many training rows are used, drawn by the seed (code: 1,024). Not set: all of them."""

    beams: int = Field(default=4, ge=1)
    """Number of beams of the free search (code: 4). The best one is grounded."""

    ranking: Literal["grounded"] = "grounded"  # type: ignore[assignment]
    """How items are ranked: by the distance of their titles from what was written."""

    correction: Literal["none", "popularity", "collaborative"] = "none"
    """W, by which distances are corrected. ``none``: they are not. ``popularity``: how often an item occurs
    in training. ``collaborative``: the score that SASRec gives it. The code has both corrections."""

    correction_weight: float | None = Field(default=None, ge=0)
    """γ of the correction. Not set: stage ``choice`` takes the best of 14 values from 0 to 99 on validation
    (code: the best of 199 values between 0.01 and 99, for each metric by itself)."""

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse a weight of a correction that is not made, and a penalty on lengths, which has no part.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.correction == "none":
            self.refuse_changed(
                ("correction_weight",),
                'correction = "none" corrects no distance',
                'set correction to "popularity" or "collaborative"',
            )
        self.refuse_changed(
            ("length_penalty",),
            'ranking = "grounded" compares no likelihoods of titles',
            'take the model "bigrec-beam"',
        )

    @property
    def assisted(self) -> bool:
        """Whether SASRec corrects distances."""
        return self.correction == "collaborative"

    @property
    def weight(self) -> float | None:
        """γ; ``None``: it is chosen on validation."""
        return 0.0 if self.correction == "none" else self.correction_weight


class CountingFineTuning(AssistedFineTuning):
    """Mean cross-entropy over the target tokens of a batch. The adapters are trained. The stage also counts
    how often each item occurs in training."""

    model: "BigRecGround"

    def begin(self, data: TrainingData, device: torch.device) -> Any:
        """Count the items of the training part, freeze what is not trained, and draw the rows."""
        items = data.view.items[data.view.interactions]
        counts = np.bincount(items, minlength=self.model.n_items).astype(np.float32)
        self.model.popularity.copy_(torch.from_numpy(counts))
        return super().begin(data, device)


class BigRecGround(AssistedRecommender[BigRecGroundConfig]):
    """A fine-tuned language model whose free answer is matched with the nearest titles."""

    Config = BigRecGroundConfig
    summary = "Language model whose free answer is grounded in the nearest titles (BIGRec, arXiv 2308.08434)."
    authors_training = AuthorsTraining(
        note="Stage sft has them by default. The released command trains on the tokens of the prompt as "
        "well. Here only target tokens count.",
    )
    stages: ClassVar = {"assistant": AssistantTraining, "sft": CountingFineTuning, "choice": WeightChoice}
    default_stages = ("sft",)
    stage_defaults: ClassVar = {"sft": _SFT}
    weights = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 99.0)
    first_weight = 0.0

    def __init__(
        self,
        config: BigRecGroundConfig,
        n_items: int,
        max_length: int,
        titles: Sequence[str] | None = None,
    ) -> None:
        super().__init__(config, n_items, max_length, titles)
        self.register_buffer("popularity", torch.zeros(n_items))
        self.popularity: Tensor
        self._titles: Tensor | None = None  # (items, width) vectors of titles, which never change

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Scores of all items, (1, sequences, items): the negative distances of their titles."""
        if self.assistant_alone:
            return super().encode(sequences, depths, noise)
        return self.encode_with(sequences, (self.weight,))

    def encode_with(self, sequences: Packed, weights: Sequence[float]) -> Tensor:
        """Scores of all items with each γ, (weights, sequences, items). Answers are written only once."""
        if self._titles is None:
            self._titles = self._vectors([np.array(title) for title in self.prompts.titles])
        written = self.written(sequences)
        answers = self._vectors([np.array(self.tokens.encode(f'"{text}"')) for text in written])
        distances = torch.cdist(answers, self._titles)  # (sequences, items)
        if self.config.correction == "none":
            return -distances.unsqueeze(0)
        corrections = _scaled(self._corrections(sequences))
        return torch.stack([-_scaled(distances) * (1 + corrections) ** -weight for weight in weights])

    def written(self, sequences: Packed) -> list[str]:
        """What the language model writes after each history, without quotes, (sequences,).

        A title is one line, so only the first line is kept. A model with little training writes on.
        """
        rows, device = self.prompts.of(sequences), sequences.items.device
        texts = [""] * len(rows)
        for part in cut_parts(rows, self.config.part_tokens):
            # Reversed prompts are padded on the right. Reversing them back puts the padding on the left.
            flipped, real = padded_rows([rows[row][::-1].copy() for row in part], device)
            self.language.prompt_tokens += sum(len(rows[row]) for row in part)
            done = self.language.network.generate(
                input_ids=flipped.flip(1),
                attention_mask=real.flip(1).long(),
                num_beams=self.config.beams,
                do_sample=False,
                max_new_tokens=self.config.title_tokens + 2,
                eos_token_id=self.tokens.end,
                pad_token_id=self.tokens.end,
            )
            for row, answer in zip(part, done[:, flipped.shape[1] :].tolist(), strict=True):
                end = answer.index(self.tokens.end) if self.tokens.end in answer else len(answer)
                texts[row] = self.tokens.decode(answer[:end]).strip().partition("\n")[0].strip('"')
        return texts

    def _vectors(self, rows: Sequence[Int64s]) -> Tensor:
        """States of the last tokens in the base model without adapters, (rows, width)."""
        from peft.tuners.tuners_utils import BaseTunerLayer  # noqa: PLC0415 - heavy, and an extra

        device = self.popularity.device
        adapters = [module for module in self.language.modules() if isinstance(module, BaseTunerLayer)]
        vectors = torch.empty(len(rows), self.language.width, device=device)
        for adapter in adapters:
            adapter.enable_adapters(False)
        try:
            for part in cut_parts(rows, self.config.part_tokens):
                read = self.language.read([rows[row] for row in part], device)
                vectors[torch.from_numpy(part).to(device)] = read.last_states[:, 0]
        finally:
            for adapter in adapters:
                adapter.enable_adapters(True)
        return vectors

    def _corrections(self, sequences: Packed) -> Tensor:
        """W before it is scaled: popularity or SASRec's scores, (sequences or 1, items)."""
        if self.config.correction == "collaborative":
            return self.assistant_scores(sequences)
        return self.popularity.unsqueeze(0)


def _scaled(rows: Tensor) -> Tensor:
    """Scale each row to between 0 and 1. A row of equal numbers becomes 0."""
    lowest, highest = rows.amin(-1, keepdim=True), rows.amax(-1, keepdim=True)
    return (rows - lowest) / (highest - lowest).clamp(min=1e-12)
