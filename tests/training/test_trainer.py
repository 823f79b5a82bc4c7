"""The errors of training that fails, and the order of batches in training that does not."""

import math
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_data import leave_one_out, small_dataset, trial_config

from lrbench.config.protocol import find_protocol
from lrbench.data.batches import TrainingData
from lrbench.data.sequences import Sequences
from lrbench.data.splitting import split
from lrbench.errors import LrbenchError
from lrbench.execution.train_and_rank import build_model
from lrbench.training.trainer import train

CPU = torch.device("cpu")
ONE_STEP = 10_000  # targets of a batch, more than there are


def failure(folder: Path, **settings: Any) -> str:
    """Return the error of a trial whose first step makes the weights useless."""
    dataset, config = small_dataset(), trial_config(learning_rate=1e30, **settings)
    model, split = build_model(config, dataset, CPU), leave_one_out(dataset.sequences)
    with pytest.raises(LrbenchError) as caught:
        train(model, config, split, CPU, folder / "checkpoint.pt", lambda report: None)
    return str(caught.value)


FINITE = r"the last finite (values|losses) were \{'loss': (\d+\.\d+)\}\. Lower the learning rate"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 128}, "The loss became nan in stage supervised, epoch 1, at step 2 of the epoch; "),
        (
            {"batch_size": ONE_STEP, "validate_every": 3},
            "The loss became nan in stage supervised, epoch 2, at step 1 of the epoch; ",
        ),
        (
            {"batch_size": ONE_STEP},
            "Scores in validation became NaN or infinite in stage supervised, epoch 1, "
            "after step 1 of the epoch (depth 0); ",
        ),
    ],
    ids=["within an epoch", "at the start of the second epoch", "in the last step of an epoch"],
)
def test_what_is_not_finite_names_stage_epoch_step_and_the_last_finite_values(
    settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    message = failure(tmp_path, **settings)
    assert message.startswith(said)
    found = re.search(FINITE, message)
    assert found
    assert 3 < float(found[2]) < 5  # 40 items: log 40 = 3.7


def test_every_epoch_and_stage_of_every_seed_has_an_order_of_batches_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, orders = small_dataset(), list[tuple[int, ...]]()
    batches = TrainingData.batches

    def watched(data: TrainingData, size: int, device: torch.device, *rest: Any) -> Any:
        if rest:  # a filter of training rows does not shuffle
            orders.append(tuple(deepcopy(rest[0]).permutation(50).tolist()))
        return batches(data, size, device, *rest)

    monkeypatch.setattr(TrainingData, "batches", watched)
    for seed in (1, 2, 1):
        config = trial_config("lares", seed, max_epochs=2, batch_size=ONE_STEP)
        model, split = build_model(config, dataset, CPU), leave_one_out(dataset.sequences)
        train(model, config, split, CPU, tmp_path / "checkpoint.pt", lambda report: None)
    assert len(orders) == 3 * 2 * 2  # seeds, stages and epochs
    assert len(set(orders[:8])) == 8
    assert orders[8:] == orders[:4]


def test_a_falling_learning_rate_would_reach_zero_after_the_last_epoch(tmp_path: Path) -> None:
    dataset = small_dataset()
    config = trial_config(max_epochs=4, batch_size=ONE_STEP, decay="linear", learning_rate=0.004)
    model, split = build_model(config, dataset, CPU), leave_one_out(dataset.sequences)
    done = train(model, config, split, CPU, tmp_path / "checkpoint.pt", lambda report: None)
    assert [row["learning_rate"] for row in done.history] == pytest.approx([0.004, 0.003, 0.002, 0.001])


@pytest.mark.parametrize("decay", ["linear", "cosine"])
@pytest.mark.parametrize(
    ("protocol", "lengths", "batch_size"),
    [
        ("loo-200", [165] * 20, 128),  # each history is a batch
        ("loo-200", [165] * 20 + [12] * 60, 128),
        ("loo-20", [22] * 60 + [7] * 30, 32),
    ],
)
def test_a_falling_learning_rate_reaches_zero_where_histories_are_longer_than_a_batch(
    protocol: str, lengths: list[int], batch_size: int, decay: str, tmp_path: Path
) -> None:
    """A history is never cut, so there are fewer steps than targets over the size of a batch."""
    items = np.random.default_rng(0).integers(0, 40, sum(lengths)).astype(np.int32)
    config = trial_config(max_epochs=3, batch_size=batch_size, decay=decay, learning_rate=0.004)
    config = config.model_copy(update={"protocol": find_protocol(protocol)})
    parts = split(Sequences(items, np.cumsum([0, *lengths]), None, 40), config.protocol)
    model = build_model(config, small_dataset(), CPU)
    done = train(model, config, parts, CPU, tmp_path / "checkpoint.pt", lambda report: None)
    steps, (*_, last) = done.stages[0].steps, done.history
    left = 1 / steps if decay == "linear" else (1 - math.cos(math.pi / steps)) / 2
    assert last["learning_rate"] == pytest.approx(0.004 * left)


def test_the_last_finite_values_outlive_an_interruption(tmp_path: Path) -> None:
    settings = {"batch_size": ONE_STEP, "validate_every": 3}
    first = failure(tmp_path, **settings)
    assert (tmp_path / "checkpoint.pt").exists()
    assert re.search(FINITE, first)
    assert failure(tmp_path, **settings) == first
