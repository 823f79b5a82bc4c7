"""What a trial will cost, told before it runs."""

import pytest
import torch
from small_data import small_dataset, trial_config

from lrbench.data.batches import TrainingData
from lrbench.execution.estimate import seconds_per_epoch
from lrbench.models.lares_reinforcement import Reinforcement


def test_stages_are_timed_on_few_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stage does before its first step is not done for the whole data."""
    seen: list[int] = []
    begin = Reinforcement.begin

    def told(stage: Reinforcement, data: TrainingData, device: torch.device) -> object:
        seen.append(data.n_targets)
        return begin(stage, data, device)

    monkeypatch.setattr(Reinforcement, "begin", told)
    config = trial_config("lares", batch_size=16)
    seconds = seconds_per_epoch(config, small_dataset(), torch.device("cpu"))
    assert set(seconds) == {"spt", "rpt"}
    assert all(value > 0 for value in seconds.values())
    assert 64 <= seen[0] < 100
