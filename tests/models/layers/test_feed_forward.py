"""The feed-forward part by hand. In pieces it gives the same numbers."""

import pytest
import torch

from lrbench.models.layers import feed_forward as module
from lrbench.models.layers.feed_forward import FeedForward
from lrbench.testing import pack_lists

SEQUENCES = pack_lists([[0, 1, 2, 3]])


@pytest.mark.parametrize("few", [100, 0], ids=["kept", "in pieces"])
@pytest.mark.parametrize("shape", [(7,), (2, 3)], ids=["tokens", "streams"])
def test_states_and_gradients_by_hand(
    few: int, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEW_TOKENS", few)
    monkeypatch.setattr(module, "_PIECE", 3)  # 7 tokens are two pieces and one token
    torch.manual_seed(0)
    feed_forward = FeedForward(3, 5).double()
    hidden = torch.randn(*shape, 3, dtype=torch.float64, requires_grad=True)
    expand, contract = feed_forward.expand, feed_forward.contract
    inner = hidden @ expand.weight.T + expand.bias
    inner = inner * (1 + torch.erf(inner / 2**0.5)) / 2
    expected = inner @ contract.weight.T + contract.bias
    found = feed_forward(hidden, SEQUENCES)
    torch.testing.assert_close(found, expected)
    inputs = (hidden, *feed_forward.parameters())
    gradients = [torch.autograd.grad(states.square().sum(), inputs) for states in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_in_pieces_the_input_alone_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEW_TOKENS", 0)
    feed_forward, hidden = FeedForward(3, 5), torch.randn(1000, 3, requires_grad=True)
    kept: list[torch.Size] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        feed_forward(hidden, SEQUENCES)
    assert [shape for shape in kept if 1000 in shape] == [(1000, 3)]
