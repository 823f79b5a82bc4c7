"""Recorded steps on batches that are filled up train as ordinary steps do, number by number."""

from typing import Any

import numpy as np
import pytest
import torch
from fixed_places import record

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.sequences import TrainingView
from lrbench.errors import RequestError
from lrbench.models.base import GradientStage, Model, Terms
from lrbench.models.sequential.sasrec import SASRec
from lrbench.models.supervised import Supervised
from lrbench.registry import MODELS
from lrbench.testing import training_view
from lrbench.training.epoch import EpochResult, run_epoch
from lrbench.training.optimiser import Optimiser
from lrbench.training.recorded_steps import RecordedSteps, record_on
from lrbench.training.step import GradientStep

CPU = torch.device("cpu")
N_ITEMS, MAX_LENGTH = 30, 12
SMALL = {"width": 8, "inner_width": 12, "heads": 2, "layers": 1, "query_width": 4, "value_width": 4}
CASES: dict[str, dict[str, Any]] = {
    "sasrec": {},
    "sasrec-original": {},
    "esasrec": {"loss": "cross_entropy"},
    "fmlp": {},
    "bsarec": {"cutoff": 3},
    "hstu": {"loss": "cross_entropy"},
    "caser": {"tallest": 4},
    "recurrence": {},
    "erl": {},
    "prl": {"warm_up": 1, "noise_std": 1e-12},  # its losses change after the first epoch
    "plr": {},
}
FAST = ("sasrec", "fmlp")


def build(name: str, options: dict[str, Any]) -> tuple[Model[Any], GradientStage]:
    """Return a small model without random draws, and its first stage."""
    kind = MODELS.load(name)
    fields = kind.Config.model_fields
    small = {key: value for key, value in SMALL.items() if key in fields}
    quiet = {key: 0.0 for key in fields if "dropout" in key}
    torch.manual_seed(0)
    model = kind(kind.Config(**small | quiet | options), N_ITEMS, MAX_LENGTH).double()
    stage = next(iter(kind.stages.values()))(model)
    assert isinstance(stage, GradientStage)
    assert stage.replayable(kind, model.config)
    return model, stage


def view() -> TrainingView:
    source = np.random.default_rng(0)
    return training_view([source.integers(0, N_ITEMS, 3 + n % 10).tolist() for n in range(90)], N_ITEMS)


def trained(name: str, options: dict[str, Any], filled: bool) -> tuple[Model[Any], EpochResult, int]:
    """Train two epochs. Return the model, the last result, and the number of recorded shapes."""
    model, stage = build(name, options)
    training = TrainingConfig(batch_size=40, gradient_clip=1.0, warmup_steps=3, decay="linear", graph=filled)
    data = TrainingData(view(), MAX_LENGTH, stage.training_rows())
    stage.begin(data, CPU)
    optimiser = Optimiser(model.parameters(), training, stage_steps=50)
    step = GradientStep(stage, optimiser, training, CPU)
    recorded = RecordedSteps(step, record) if filled else None
    source = np.random.default_rng(1)
    for epoch in (1, 2):
        stage.begin_epoch(epoch)
        batches = data.batches(training.batch_size, CPU, source, filled=filled)
        result = run_epoch(step, batches, "the test", recorded=recorded)
    return model, result, recorded.shapes if recorded else 0


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_recorded_steps_train_as_ordinary_ones_do(name: str) -> None:
    plain, expected, _ = trained(name, CASES[name], filled=False)
    replayed, result, shapes = trained(name, CASES[name], filled=True)
    assert 1 <= shapes < result.steps / 2, "most steps are replayed"
    assert result.targets == expected.targets
    assert result.terms == pytest.approx(expected.terms, rel=1e-7)
    for key, weight in plain.state_dict().items():
        torch.testing.assert_close(replayed.state_dict()[key], weight, rtol=1e-6, atol=1e-8, msg=key)


class HostReader(Supervised):
    """Adds a number of the host to the loss."""

    def losses(self, batch: TrainingBatch) -> Terms:
        terms = super().losses(batch)
        return {"loss": terms["loss"] + float(batch.target_ids.mean())}


def test_a_step_that_reads_the_host_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SASRec, "stages", {"supervised": HostReader})
    _, expected, _ = trained("sasrec", {}, filled=False)
    _, result, _ = trained("sasrec", {}, filled=True)
    assert result.terms != pytest.approx(expected.terms, rel=1e-3)


def test_a_cpu_records_nothing() -> None:
    with pytest.raises(RequestError, match="on a GPU"):
        record_on(CPU)
