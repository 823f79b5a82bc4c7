"""A language model that SASRec assists. SASRec is trained first, on the same split."""

import json
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from typing_extensions import TypeVar

from lrbench.config.training import TrainingRows
from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.packing import Packed
from lrbench.models.base import ChoiceStage, GradientStage, Model, Terms
from lrbench.models.language import fine_tuning
from lrbench.models.language.config import LanguageConfig
from lrbench.models.language.recommender import LanguageRecommender
from lrbench.models.sequential.sasrec import SASRec
from lrbench.models.supervised import Supervised
from lrbench.wording import listed

__all__ = ["AssistantTraining", "AssistedConfig", "AssistedFineTuning", "AssistedRecommender", "WeightChoice"]


class AssistedConfig(LanguageConfig):
    """Options of the model on item ids."""

    source = "lrbench's own choice"

    assistant_width: int = Field(default=64, ge=2, multiple_of=2)
    """``width`` and ``inner_width`` of the SASRec that assists. Its other options have SASRec's defaults."""

    with_assistant: ClassVar[str]
    """What to set so that SASRec has a part in ranking, in the imperative."""

    @property
    def assisted(self) -> bool:
        """Whether the model on item ids has a part in ranking."""
        return True

    @property
    def weight(self) -> float | None:
        """The weight in ranking; ``None``: it is chosen on validation."""
        return None

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse stages that are not exactly those that the options need.

        Raises:
            ValueError: which stages to run.
        """
        super().check_against_protocol(max_length, stages)
        wanted = [
            *(["assistant"] if self.assisted else []),
            "sft",
            *(["choice"] if self.weight is None else []),
        ]
        if list(stages) != wanted:
            raise ValueError(
                f"with these options its stages are {listed(wanted)}. Set stages = {json.dumps(wanted)}."
            )

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse a width of a SASRec that does not assist.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if not self.assisted:
            self.refuse_changed(("assistant_width",), "no SASRec has a part in ranking", self.with_assistant)


AssistedConfigT = TypeVar("AssistedConfigT", bound=AssistedConfig, default=Any)
"""The configuration of a recommender that may have an assistant."""


class AssistedRecommender(LanguageRecommender[AssistedConfigT]):
    """A language model and, if the options ask for it, SASRec."""

    weights: ClassVar[tuple[float, ...]]
    """The weights that stage ``choice`` tries."""

    first_weight: ClassVar[float]
    """The weight before stage ``choice``. With it the language model ranks alone."""

    def __init__(
        self, config: AssistedConfigT, n_items: int, max_length: int, titles: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, n_items, max_length, titles)
        self.assistant: Model[Any] | None = None
        if config.assisted:
            sizes = SASRec.Config(width=config.assistant_width, inner_width=config.assistant_width)
            self.assistant = SASRec(sizes, n_items, max_length)
        if config.weight is None:
            self.register_buffer("chosen_weight", torch.tensor(self.first_weight, dtype=torch.float64))
        self.chosen_weight: Tensor
        self.assistant_alone = False
        """Whether SASRec alone ranks the items. It does while it is trained."""

    @property
    def weight(self) -> float:
        """The weight in ranking, set or chosen."""
        set_by_hand = self.config.weight
        return float(self.chosen_weight) if set_by_hand is None else set_by_hand

    @abstractmethod
    def encode_with(self, sequences: Packed, weights: Sequence[float]) -> Tensor:
        """Scores of all items with each weight, (weights, sequences, items)."""

    def assistant_scores(self, sequences: Packed) -> Tensor:
        """SASRec's scores of all items, (sequences, items)."""
        assert self.assistant is not None
        return self.assistant.score(self.assistant.encode(sequences, (0,), None)[0])

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Scores of all items, (1, sequences, items)."""
        if self.assistant_alone:
            return self.assistant_scores(sequences).unsqueeze(0)
        return super().encode(sequences, depths, noise)


class AssistantTraining(GradientStage[AssistedConfig]):
    """Cross-entropy of SASRec. The language model is not trained."""

    model: AssistedRecommender[Any]

    @classmethod
    def allows_data_parallel(cls, config: AssistedConfig) -> bool:
        """Yes: the loss is a mean over targets."""
        return True

    @classmethod
    def rows_for(cls, model: type[Model[AssistedConfig]], config: AssistedConfig) -> TrainingRows:
        """Positions, since SASRec is causal."""
        return "positions"

    def begin(self, data: TrainingData, device: torch.device) -> None:
        """Freeze everything but SASRec, and rank by SASRec alone."""
        assert self.model.assistant is not None
        self.model.requires_grad_(False)
        self.model.assistant.requires_grad_(True)
        self.model.assistant_alone = True

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the cross-entropy as ``loss``."""
        assert self.model.assistant is not None
        self.model.assistant.score_dtype = self.model.score_dtype
        return Supervised(self.model.assistant).losses(batch)


class AssistedFineTuning(fine_tuning.FineTuning[AssistedConfig]):
    """Mean cross-entropy over the target tokens of a batch. All weights of the language model are trained, or
    the adapters alone if there are some. SASRec is frozen."""

    model: AssistedRecommender[Any]

    @classmethod
    def refines(cls, config: AssistedConfig) -> bool:
        """Yes, if there is an assistant, because it must have been trained before."""
        return config.assisted

    def begin(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_] | None:
        """Freeze SASRec, and draw which rows to use."""
        if self.model.assistant is not None:
            self.model.assistant.requires_grad_(False)
        self.model.assistant_alone = False
        return super().begin(data, device)


class WeightChoice(ChoiceStage[AssistedConfig]):
    """Choice of ``language_weight`` (d3) or ``correction_weight`` (bigrec-ground) on validation."""

    model: AssistedRecommender[Any]

    def candidates(self) -> tuple[float, ...]:
        """Return the weights of the model's class."""
        return self.model.weights

    def encode(self, sequences: Packed) -> Tensor:
        """Scores of all items with each weight, (weights, sequences, items)."""
        return self.model.encode_with(sequences, self.model.weights)

    def choose(self, candidate: float) -> None:
        """Keep a weight."""
        self.model.chosen_weight.fill_(candidate)
