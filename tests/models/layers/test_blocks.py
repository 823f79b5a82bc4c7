"""Dropout drops what it says, initial weights are as published, attention is softmax attention."""

import pytest
import torch
from torch import nn

from lrbench.models.layers.attention import Attention
from lrbench.models.layers.blocks import Residual, transformer
from lrbench.models.layers.dropout import draw_kept
from lrbench.models.layers.embeddings import InputEmbedding
from lrbench.models.layers.initialisation import initialise, set_dropout
from lrbench.testing import pack_lists

RATES = [0.1, 0.5]
SEQUENCES = pack_lists([[0, 1, 2, 3], [4, 5, 6, 7]] * 200)  # 1,600 tokens


def assert_rate(dropped: float, rate: float, draws: int) -> None:
    assert dropped == pytest.approx(rate, abs=4.5 * (rate * (1 - rate) / draws) ** 0.5)


@pytest.mark.parametrize("rate", RATES)
def test_the_input_is_dropped_at_its_rate_and_scaled(rate: float) -> None:
    torch.manual_seed(0)
    embedding = InputEmbedding(8, 4, 16, rate)
    kept = embedding.eval()(SEQUENCES)
    dropped = embedding.train()(SEQUENCES)
    assert_rate((dropped == 0).double().mean().item(), rate, dropped.numel())
    torch.testing.assert_close(dropped[dropped != 0], (kept / (1 - rate))[dropped != 0], rtol=1e-4, atol=0)


@pytest.mark.parametrize("rate", RATES)
def test_a_residual_drops_what_is_added(rate: float) -> None:
    class One(nn.Module):
        def forward(self, hidden, sequences):
            return torch.ones_like(hidden)

    torch.manual_seed(0)
    residual = Residual(One(), 64, rate)
    residual.norm = nn.Identity()  # type: ignore[assignment]
    added = residual(torch.zeros(1000, 64), SEQUENCES)
    assert_rate((added == 0).double().mean().item(), rate, added.numel())
    torch.testing.assert_close(added[added != 0].unique(), torch.tensor([1 / (1 - rate)]), rtol=1e-4, atol=0)


@pytest.mark.parametrize("rate", RATES)
def test_attention_weights_are_dropped_at_their_rate(rate: float) -> None:
    torch.manual_seed(0)
    attention = Attention(2, 2, rate)  # of width 1 a head
    for linear in (attention.query, attention.key):
        nn.init.zeros_(linear.weight)
    for linear in (attention.value, attention.output):
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
    first = SEQUENCES.first  # a first token attends to itself alone, with weight 1
    attended = attention(torch.ones(SEQUENCES.n_tokens, 2), SEQUENCES)[first]
    assert_rate((attended == 0).double().mean().item(), rate, attended.numel())
    assert attention.eval()(torch.ones(SEQUENCES.n_tokens, 2), SEQUENCES)[first].eq(1).all()


def test_attention_by_hand() -> None:
    torch.manual_seed(0)
    attention = Attention(4, 2, 0.0).double()
    sequences = pack_lists([[1, 2, 3], [4, 5], [6]])
    hidden = torch.randn(sequences.n_tokens, 4, dtype=torch.float64)
    expected = torch.empty_like(hidden)
    for number in range(3):
        tokens = (sequences.sequence_of == number).nonzero().squeeze(1)
        for place, token in enumerate(tokens):
            seen = hidden[tokens[: place + 1]]
            heads = []
            for head in (slice(0, 2), slice(2, 4)):
                query = attention.query(hidden[token])[head]
                weights = (attention.key(seen)[:, head] @ query / 2**0.5).softmax(0)
                heads.append(weights @ attention.value(seen)[:, head])
            expected[token] = attention.output(torch.cat(heads))
    torch.testing.assert_close(attention(hidden, sequences), expected)


def test_initial_weights() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(InputEmbedding(500, 50, 64, 0.0), transformer(2, 64, 2, 256, 0.0, 0.0))
    initialise(network)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "norm" in name:
            assert parameter.eq(1).all(), name
        else:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.05), name
            assert abs(parameter.mean().item()) < 0.02 * 4.5 / parameter.numel() ** 0.5, name


@pytest.mark.parametrize("short", [3, 4], ids=["by query", "by key"])
def test_the_gradient_of_attention_with_dropout(short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed before each evaluation draws the same mask."""
    attention = Attention(6, 2, 0.4).double()
    torch.manual_seed(0)
    monkeypatch.setattr("lrbench.models.layers.attention._SHORT", short)
    projected = torch.randn(3, 4, 18, dtype=torch.float64, requires_grad=True)
    added = torch.randn(3, 4, 4, dtype=torch.float64)

    def mixed(projected: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return attention.mix(None, projected) + attention.mix(added, projected)

    assert torch.autograd.gradcheck(mixed, projected)


@pytest.mark.parametrize("short", [2, 3], ids=["by query", "by key"])
def test_attention_with_dropout_by_hand(short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrbench.models.layers.attention._SHORT", short)
    attention = Attention(4, 2, 0.4).double()
    torch.manual_seed(0)
    query, key, value = parts = [torch.randn(2, 3, 4, dtype=torch.float64) for _ in range(3)]
    torch.manual_seed(1)
    mixed = attention.mix(None, torch.cat(parts, -1))
    torch.manual_seed(1)
    kept, factor = draw_kept(torch.Size((2, 2, 3, 3)), 0.4)  # (heads, sequences, length, length)
    for head, columns in enumerate((slice(0, 2), slice(2, 4))):
        here = kept[head] if short == 2 else kept[head].mT
        scores = query[..., columns] @ key[..., columns].mT / 2**0.5
        weights = scores.masked_fill(torch.ones(3, 3).triu(1).bool(), -torch.inf).softmax(-1)
        torch.testing.assert_close(mixed[..., columns], weights * here * factor @ value[..., columns])


@pytest.mark.parametrize("short", [3, 4], ids=["by query", "by key"])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_without_gradients(short: int, causal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrbench.models.layers.attention._SHORT", short)
    torch.manual_seed(0)
    attention = Attention(6, 2, 0.4, causal).double().eval()
    sequences = pack_lists([[1, 2, 3, 4], [1, 2, 3], [2, 3], [1]])
    hidden = torch.randn(sequences.n_tokens, 6, dtype=torch.float64)
    expected = attention(hidden, sequences)
    with torch.inference_mode():
        torch.testing.assert_close(attention(hidden, sequences), expected)


def test_set_dropout_reaches_every_rate() -> None:
    network = transformer(2, 8, 2, 8, 0.5, 0.5)
    set_dropout(network, 0.0)
    hidden = torch.randn(SEQUENCES.n_tokens, 8)
    assert torch.equal(network(hidden, SEQUENCES), network(hidden, SEQUENCES))
    assert {part.p for part in network.modules() if isinstance(part, nn.Dropout)} == {0.0}
