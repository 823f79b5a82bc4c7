"""What a trial will cost, told before it runs."""

from types import SimpleNamespace

import pytest
import torch
from small_data import small_dataset, trial_config

from lrbench.data.batches import TrainingData
from lrbench.execution.estimate import seconds_per_epoch
from lrbench.models.base import GradientStage
from lrbench.models.language.fine_tuning import most_rows
from lrbench.models.latent.lares.reinforcement import PostTraining
from lrbench.models.sequential.sasrec import SASRec


def test_steps_are_those_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores have the trial's precision, and items are dropped as in the trial's steps."""
    seen: list[tuple[torch.dtype | None, bool]] = []
    loss = SASRec.target_loss

    def told(model: SASRec, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        table = model.item_table()
        seen.append((model.score_dtype, table.vectors is table.weight))
        return loss(model, states, targets)

    monkeypatch.setattr(SASRec, "target_loss", told)
    config = trial_config(params={"width": 16, "item_dropout": 0.5}, batch_size=16, precision="bfloat16")
    seconds_per_epoch(config, small_dataset(), torch.device("cpu"))
    assert seen
    assert set(seen) == {(torch.bfloat16, False)}


def test_an_epoch_has_no_more_targets_than_its_stage_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second a target; stages of language models use as many as ``few_shot`` says."""
    epoch = SimpleNamespace(seconds=2.0, targets=4, steps=1)
    monkeypatch.setattr("lrbench.execution.estimate.run_epoch", lambda *_: epoch)
    monkeypatch.setattr(GradientStage, "most_targets", lambda _, available: most_rows(available, 10))
    assert seconds_per_epoch(trial_config(), small_dataset(), torch.device("cpu")) == {"supervised": 5.0}
    assert [most_rows(5, count) for count in (None, 3, 9)] == [5, 3, 5]


@pytest.mark.parametrize("long_sequences", ["windowed", "latest"])
def test_stages_are_timed_on_few_users(monkeypatch: pytest.MonkeyPatch, long_sequences: str) -> None:
    """A stage begins with a part of the data only, and still takes four steps."""
    seen: list[int] = []
    begin = PostTraining.begin

    def told(stage: PostTraining, data: TrainingData, device: torch.device) -> object:
        seen.append(data.n_targets)
        return begin(stage, data, device)

    monkeypatch.setattr(PostTraining, "begin", told)
    config = trial_config("lares", batch_size=16, long_sequences=long_sequences)
    short = config.protocol.model_copy(update={"max_length": 3})
    config = config.model_copy(update={"protocol": short})
    seconds = seconds_per_epoch(config, small_dataset(), torch.device("cpu"))
    assert set(seconds) == {"spt", "rpt"}
    assert all(value > 0 for value in seconds.values())
    assert 64 <= seen[0] < 100
