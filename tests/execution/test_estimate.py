"""What a trial will cost, told before it runs."""

import pytest
import torch
from small_data import small_dataset, trial_config

from lrbench.data.batches import TrainingData
from lrbench.execution.estimate import seconds_per_epoch
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
