"""Recomputing gives the states and gradients of the first computation, with the same draws."""

import pytest
import torch
from torch import Tensor, nn

from lrbench.models.latent.lares import network
from lrbench.models.latent.lares.model import LARES, LARESConfig
from lrbench.models.layers.activation_checkpoint import recomputed
from lrbench.models.layers.dropout import Dropout
from lrbench.testing import pack_lists


class Mixed(nn.Module):
    """A module of two inputs, with trained, frozen and unused parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.unused = nn.Linear(4, 5), nn.Linear(5, 4), nn.Linear(2, 2)
        self.second.weight.requires_grad_(False)
        self.dropout = Dropout(0.5)

    def forward(self, state: Tensor, other: Tensor) -> Tensor:
        mixed: Tensor = self.second(self.dropout(self.first(state).tanh())) * other
        return mixed


def results(again: bool) -> tuple[list[Tensor], Tensor, set[torch.Size]]:
    """States and gradients of two applications, the next draw, and the shapes of the stored tensors."""
    torch.manual_seed(1)
    module = Mixed().double()
    state = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    other = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    kept: set[torch.Size] = set()

    def note(tensor: Tensor) -> Tensor:
        kept.add(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = state
        for _ in range(2):
            output = recomputed(module, module, output, other) if again else module(output, other)
    inputs = [state, other, module.first.weight, module.first.bias, module.second.bias]
    gradients = torch.autograd.grad(output.square().sum(), inputs)
    return [output, *gradients], torch.rand(3), kept


def test_states_gradients_and_draws_are_those_of_plain_application() -> None:
    (plain, plain_draw, plain_kept), (recomputed_once, draw, kept) = results(again=False), results(again=True)
    for one, other in zip(plain, recomputed_once, strict=True):
        torch.testing.assert_close(one, other)
    assert torch.equal(plain_draw, draw)
    assert torch.Size((7, 5)) in plain_kept
    assert torch.Size((7, 5)) not in kept


def test_steps_that_are_not_kept_reason_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    model = LARES(LARESConfig(width=8, heads=2, inner_width=16, mean_depth=3), n_items=20, max_length=6)
    sequences = pack_lists([[1, 2, 3], [4, 5]])
    outcomes = []
    calls = []
    monkeypatch.setattr(network, "recomputed", lambda *given: calls.append(given) or recomputed(*given))
    for stored in (1 << 29, 0):
        monkeypatch.setattr(network, "STORED_BYTES", stored)
        torch.manual_seed(3)
        states = torch.stack(model.unroll(model.prepare(sequences), sequences, 3))
        assert len(calls) == (0 if stored else 3)
        model.zero_grad()
        states.square().sum().backward()
        gradients = [each.grad for each in model.parameters() if each.grad is not None]
        outcomes.append((states, gradients))
    torch.testing.assert_close(*outcomes)
