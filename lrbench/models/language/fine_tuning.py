"""Fine-tuning on prompts: the cross-entropy of the target tokens alone."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.base import GradientStage, Terms
from lrbench.models.language.accumulation import accumulated
from lrbench.models.language.recommender import LanguageConfigT, LanguageRecommender, cut_parts

__all__ = ["FineTuning", "few_rows", "most_rows"]


def few_rows(data: TrainingData, count: int | None) -> NDArray[np.bool_] | None:
    """Draw which training rows to use, (targets,), from torch's default source; ``None``: all of them."""
    if count is None:
        return None
    keep = np.zeros(data.n_targets, dtype=np.bool_)
    keep[torch.randperm(data.n_targets)[:count].numpy()] = True
    return keep


def most_rows(available: int, count: int | None) -> int:
    """How many of the training rows :func:`few_rows` draws."""
    return available if count is None else min(available, count)


class FineTuning(GradientStage[LanguageConfigT]):
    """Mean cross-entropy over the target tokens of a batch. All weights are trained, or the adapters alone if
    there are some."""

    model: LanguageRecommender[Any]

    @classmethod
    def allows_data_parallel(cls, config: LanguageConfigT) -> bool:
        """Yes: the loss is a mean over target tokens."""
        return True

    def weight(self, batch: TrainingBatch) -> int:
        """Return the number of target tokens of the batch."""
        return sum(len(self.model.prompts.answers[item]) for item in batch.next_items.tolist())

    def most_targets(self, available: int) -> int:
        """As many as ``few_shot`` says."""
        return most_rows(available, self.model.config.few_shot)

    def begin(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_] | None:
        """Let gradients reach the base model, and draw the rows."""
        self.model.train_base(True)
        return few_rows(data, self.model.config.few_shot)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the cross-entropy as ``loss``. Prompts are read in parts, whose gradients add up."""
        return {"loss": accumulated(self._parts(batch), list(self.model.parameters()))}

    def _parts(self, batch: TrainingBatch) -> Iterator[Callable[[], Tensor]]:
        model = self.model
        rows = model.prompts.of(batch.sequences)
        items = batch.next_items.tolist()  # each sequence is the history of one target
        tokens = self.weight(batch)
        device = batch.targets.device
        for part in cut_parts(rows, model.config.part_tokens):

            def share(part: NDArray[np.int64] = part) -> Tensor:
                prompts = model.language.read([rows[row] for row in part], device)
                (context,) = model.continuations(
                    prompts, torch.from_numpy(part).to(device), (self.selection_depth(),), None
                )
                total, _ = model.answer_sums(context, [items[row] for row in part])
                return -total / tokens

            yield share
