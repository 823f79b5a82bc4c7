"""The learning rate of each step, by hand and against transformers."""

from typing import Any

import pytest
import torch

from lrbench.config.training import TrainingConfig
from lrbench.config.trial import StageConfig
from lrbench.training.optimiser import Optimiser
from lrbench.training.schedule import learning_rate

STEPS = 10


def rates(**settings: Any) -> list[float]:
    training = TrainingConfig(learning_rate=2.0, **settings)
    return [learning_rate(training, taken, STEPS) for taken in range(STEPS + 2)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [2.0] * 12),
        ({"warmup_steps": 4}, [0, 0.5, 1, 1.5, *[2.0] * 8]),
        ({"decay": "linear"}, [2, 1.8, 1.6, 1.4, 1.2, 1, 0.8, 0.6, 0.4, 0.2, 0, 0]),
        ({"decay": "linear", "warmup_steps": 6}, [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2, 1.5, 1, 0.5, 0, 0]),
        ({"decay": "cosine", "warmup_steps": 8}, [*(step / 4 for step in range(8)), 2, 1, 0, 0]),
    ],
)
def test_rates_by_hand(settings: dict[str, Any], expected: list[float]) -> None:
    assert rates(**settings) == pytest.approx(expected)


@pytest.mark.parametrize("decay", ["linear", "cosine"])
@pytest.mark.parametrize("warm", [0, 3, 20])
def test_rates_are_those_of_transformers(decay: str, warm: int) -> None:
    optimization = pytest.importorskip("transformers.optimization")
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 2.0)
    schedule = optimization.get_scheduler(decay, theirs, num_warmup_steps=warm, num_training_steps=STEPS)
    for rate in rates(decay=decay, warmup_steps=warm)[:STEPS]:
        assert rate == pytest.approx(theirs.param_groups[0]["lr"], abs=1e-12)
        theirs.step()
        schedule.step()


def test_a_step_moves_by_the_rate_and_resumption_goes_on_with_it() -> None:
    training = TrainingConfig(learning_rate=0.5, decay="linear", warmup_steps=2)

    def made() -> tuple[torch.nn.Parameter, Optimiser]:
        parameter = torch.nn.Parameter(torch.tensor([1.0]))
        return parameter, Optimiser([parameter], training, stage_steps=6)

    def step(parameter: torch.nn.Parameter, optimiser: Optimiser) -> float:
        before = parameter.item()
        parameter.grad = torch.ones(1)
        optimiser.step()
        return before - parameter.item()

    parameter, optimiser = made()
    moved = [step(parameter, optimiser) for _ in range(3)]
    parameter, resumed = made()
    resumed.load_state_dict(optimiser.state_dict())
    moved += [step(parameter, resumed) for _ in range(3)]
    # With a constant gradient a step of Adam is the rate.
    assert moved == pytest.approx([0, 0.25, 0.5, 0.375, 0.25, 0.125], abs=1e-6)
    assert resumed.learning_rate == 0.125


def test_a_rate_that_falls_needs_an_end() -> None:
    with pytest.raises(ValueError, match="needs the number of steps"):
        Optimiser([], TrainingConfig(decay="linear"))


def test_trials_without_later_settings_keep_their_ids() -> None:
    plain = StageConfig(name="supervised", training=TrainingConfig()).identity
    assert plain["training"].keys() == TrainingConfig.model_fields.keys() - {"warmup_steps", "decay", "graph"}
    falling = StageConfig(name="supervised", training=TrainingConfig(decay="linear")).identity
    assert falling["training"]["decay"] == "linear"
