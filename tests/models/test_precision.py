"""With ``precision = "bfloat16"`` every model and loss computes the scores of all items in bfloat16."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingData
from lrbench.models.base import GradientStage
from lrbench.models.layers import activation_checkpoint
from lrbench.models.sequential.caser import Caser
from lrbench.objectives import divergence, log_probability
from lrbench.objectives.score_chunks import without_autocast
from lrbench.registry import MODELS
from lrbench.testing import MAX_LENGTH, N_ITEMS, random_histories, training_view
from lrbench.training.epoch import run_epoch
from lrbench.training.optimiser import Optimiser
from lrbench.training.step import GradientStep

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
        with without_autocast(states, asked) as product:
            seen.append(product)
            yield product

    for module in (divergence, log_probability):
        monkeypatch.setattr(module, "without_autocast", told)
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
    step = GradientStep(stage, Optimiser(model.parameters(), training), training, CPU)
    run_epoch(step, batches, "the test")
    assert seen
    assert set(seen) == {torch.bfloat16}


LAST_PRODUCT = {"backbone": "hstu", "adapter": "concat", "pre_layers": 0}
"""Options of LARES with which autocast gives states of the lower precision: no norm comes after products."""


@pytest.mark.parametrize(
    ("name", "stage_name", "params"),
    [
        *((name, stage, {}) for name, stage in [*STAGES, ("diffureason", "grpo")]),
        ("lares", "rpt", LAST_PRODUCT),
    ],
)
def test_a_step_runs_with_network_products_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch, name: str, stage_name: str, params: dict[str, object]
) -> None:
    """As on an accelerator, on which nothing is recomputed and Caser has one convolution."""
    monkeypatch.setattr(activation_checkpoint._Recomputed, "apply", _applied)
    monkeypatch.setattr(Caser, "_horizontal", Caser._horizontal_at_once)
    kind = MODELS.load(name)
    torch.manual_seed(0)
    model = kind(kind.Config.model_validate(params), N_ITEMS, MAX_LENGTH)
    model.score_dtype = torch.bfloat16
    stage = model.stages[stage_name](model)
    assert isinstance(stage, GradientStage)
    data = TrainingData(training_view(random_histories(6, shortest=3)), MAX_LENGTH, stage.training_rows())
    keep = stage.begin(data, CPU)
    stage.begin_epoch(1)
    (batch,) = data.batches(data.n_targets, CPU, keep=keep)
    with torch.autocast("cpu", torch.bfloat16), model.one_step():
        loss = stage.losses(batch)["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)


def _applied(function: Callable[..., Tensor], count: int, *tensors: Tensor) -> Tensor:
    return function(*tensors[:count])
