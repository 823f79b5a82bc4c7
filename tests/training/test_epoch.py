"""The optimiser that settings ask for, against steps worked out by hand."""

import math

import pytest
import torch

from lrbench.config.training import TrainingConfig
from lrbench.models.popularity import Popularity, PopularityConfig
from lrbench.training.epoch import make_optimiser


@pytest.mark.parametrize("beta2", [0.999, 0.98])
@pytest.mark.parametrize(("optimiser", "decay"), [("adam", 0.0), ("adam", 0.1), ("adamw", 0.1)])
def test_steps(optimiser: str, decay: float, beta2: float) -> None:
    model = Popularity(PopularityConfig(), 3, 5)
    model.weight = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    settings = TrainingConfig(optimiser=optimiser, learning_rate=0.5, weight_decay=decay, beta2=beta2)
    steps = make_optimiser(model, settings)
    weight, mean, square = 2.0, 0.0, 0.0
    for step, gradient in enumerate([3.0, -1.0, 0.5], start=1):
        model.weight.grad = torch.tensor([gradient], dtype=torch.float64)
        steps.step()
        if optimiser == "adamw":
            weight -= 0.5 * decay * weight
            slope = gradient
        else:
            slope = gradient + decay * weight
        mean, square = 0.9 * mean + 0.1 * slope, beta2 * square + (1 - beta2) * slope**2
        weight -= 0.5 * mean / (1 - 0.9**step) / (math.sqrt(square / (1 - beta2**step)) + 1e-8)
        assert model.weight.item() == pytest.approx(weight, rel=1e-9)
