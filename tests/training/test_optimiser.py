"""The optimiser equals steps by hand, torch's own optimisers, and itself after an interruption."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from lrbench.config.training import TrainingConfig
from lrbench.training.optimiser import Optimiser


def parameters(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape, dtype=torch.float64)) for shape in shapes]


def step(optimiser: Optimiser | torch.optim.Optimizer, moved: list[nn.Parameter], seed: int) -> None:
    optimiser.zero_grad()
    torch.manual_seed(seed)
    for parameter in moved:
        parameter.grad = torch.randn_like(parameter)
    optimiser.step()


@pytest.mark.parametrize("beta2", [0.999, 0.98])
@pytest.mark.parametrize(("kind", "decay"), [("adam", 0.0), ("adam", 0.1), ("adamw", 0.1)])
def test_steps_by_hand(kind: str, decay: float, beta2: float) -> None:
    parameter = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    settings = TrainingConfig(optimiser=kind, learning_rate=0.5, weight_decay=decay, beta2=beta2)
    optimiser = Optimiser([parameter], settings)
    weight, mean, square = 2.0, 0.0, 0.0
    for number, gradient in enumerate([3.0, -1.0, 0.5], start=1):
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        optimiser.step()
        if kind == "adamw":
            weight -= 0.5 * decay * weight
            slope = gradient
        else:
            slope = gradient + decay * weight
        mean, square = 0.9 * mean + 0.1 * slope, beta2 * square + (1 - beta2) * slope**2
        weight -= 0.5 * mean / (1 - 0.9**number) / (math.sqrt(square / (1 - beta2**number)) + 1e-8)
        assert parameter.item() == pytest.approx(weight, rel=1e-9)


def test_as_torch_where_some_parameters_have_no_gradient_at_times() -> None:
    own, other = parameters((4, 3), (5,), (2,)), parameters((4, 3), (5,), (2,))
    frozen = nn.Parameter(torch.ones(3), requires_grad=False)
    ours = Optimiser([*own, frozen], TrainingConfig())
    theirs = torch.optim.Adam(other, fused=True)
    for seed, moved in enumerate([(0, 1, 2), (0, 2), (1,), (0, 1, 2)]):
        step(ours, [own[index] for index in moved], seed)
        step(theirs, [other[index] for index in moved], seed)
    assert all(torch.equal(first, second) for first, second in zip(own, other, strict=True))
    assert torch.equal(frozen, torch.ones(3))


def test_goes_on_from_a_saved_state_as_if_never_interrupted() -> None:
    whole, cut = parameters((4, 3), (5,)), parameters((4, 3), (5,))
    without, before = Optimiser(whole, TrainingConfig()), Optimiser(cut, TrainingConfig())
    for seed in range(3):
        step(without, whole, seed)
        step(before, cut, seed)
    after = Optimiser(cut, TrainingConfig())
    after.load_state_dict(before.state_dict())
    for seed in range(3, 6):
        step(without, whole, seed)
        step(after, cut, seed)
    assert all(torch.equal(first, second) for first, second in zip(whole, cut, strict=True))


@pytest.mark.slow
def test_training_does_not_import_the_compiler() -> None:
    code = (
        "import sys; from lrbench.selftest import CHECKS; [check() for check in CHECKS]; "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
