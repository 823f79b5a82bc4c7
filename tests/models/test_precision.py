"""With ``precision = "bfloat16"`` every model and loss computes the scores of all items in bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingData
from lrbench.models.base import GradientStage
from lrbench.objectives import divergence, log_probability
from lrbench.objectives.score_chunks import score_type
from lrbench.registry import MODELS
from lrbench.testing import MAX_LENGTH, N_ITEMS, random_histories, training_view
from lrbench.training.epoch import run_epoch
from lrbench.training.optimiser import Optimiser

CPU = torch.device("cpu")
STAGES = [
    (name, stage)
    for name in MODELS.names()
    if not MODELS.load(name).reads_titles  # their logits are those of the base model
    for stage, kind in MODELS.load(name).stages.items()
    if issubclass(kind, GradientStage)
    and (name, stage) != ("diffureason", "grpo")  # it scores items for rewards alone, without gradients
]


@pytest.mark.parametrize(("name", "stage_name"), STAGES)
def test_scores_are_as_coarse_as_asked(monkeypatch: pytest.MonkeyPatch, name: str, stage_name: str) -> None:
    seen: list[torch.dtype] = []

    @contextmanager
    def told(states: Tensor, asked: torch.dtype | None) -> Iterator[torch.dtype]:
        with score_type(states, asked) as product:
            seen.append(product)
            yield product

    for module in (divergence, log_probability):
        monkeypatch.setattr(module, "score_type", told)
    kind = MODELS.load(name)
    loss = {"loss": "cross_entropy"} if "loss" in kind.Config.model_fields else {}
    torch.manual_seed(0)
    model = kind(kind.Config.model_validate(loss), N_ITEMS, MAX_LENGTH)
    stage = model.stages[stage_name](model)
    assert isinstance(stage, GradientStage)
    view = training_view(random_histories(6, shortest=3))
    data = TrainingData(view, MAX_LENGTH, stage.training_rows())
    stage.begin(data, CPU)
    training = TrainingConfig(precision="bfloat16")
    batches = data.batches(training.batch_size, CPU)
    run_epoch(stage, Optimiser(model.parameters(), training), batches, training, CPU, "the test")
    assert seen
    assert set(seen) == {torch.bfloat16}
