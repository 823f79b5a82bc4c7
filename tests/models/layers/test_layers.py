"""``Layer.last`` gives the states at the last tokens that ``forward`` gives, and the same gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lrbench.models.layers.attention import Attention
from lrbench.models.layers.blocks import Encoder, transformer
from lrbench.models.layers.frequency_filters import PaddedAttention, bsarec_blocks, fmlp_blocks
from lrbench.models.layers.hstu_block import HSTUBlock
from lrbench.models.layers.initialisation import initialise
from lrbench.models.layers.layer import Layer
from lrbench.models.sequential.esasrec import ESASRec, ESASRecConfig
from lrbench.testing import pack_lists

LISTS = [[1, 2, 3], [4], [5, 6, 7, 1, 2], [3, 2], [1, 1, 1]]
PADDING = 9
WIDTH = 8


def filters(padding: bool) -> Encoder:
    def attention() -> Attention:
        return PaddedAttention(WIDTH, 2, 0.0, PADDING) if padding else Attention(WIDTH, 2, 0.0)

    return bsarec_blocks(2, WIDTH, 16, 6, 0.0, attention, cutoff=3, share=0.6)


ENCODERS: dict[str, Callable[[], Layer]] = {
    "causal": lambda: transformer(2, WIDTH, 2, 16, 0.0, 0.0),
    "bidirectional": lambda: transformer(2, WIDTH, 2, 16, 0.0, 0.0, causal=False),
    "no block": lambda: transformer(0, WIDTH, 2, 16, 0.0, 0.0),
    "gated": lambda: ESASRec(ESASRecConfig(width=WIDTH, heads=2, dropout=0), 10, 6).encoder,
    "without softmax": lambda: Encoder(lambda: HSTUBlock(WIDTH, 2, 6, 0.0, time_bias=False), 2),
    "learned filter": lambda: fmlp_blocks(2, WIDTH, 6, 0.0),
    "rescaled frequencies": lambda: filters(padding=False),
}


def assert_last(encoder: Layer, sequences, hidden: Tensor) -> None:
    def results(last: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        start = hidden.clone().requires_grad_()
        rows = last(start)
        weights = torch.arange(rows.numel(), dtype=rows.dtype).view(rows.shape).cos()
        wanted = [start, *encoder.parameters()]
        return rows, *torch.autograd.grad((rows * weights).sum(), wanted, materialize_grads=True)

    whole = results(lambda start: encoder(start, sequences)[sequences.last])
    alone = results(lambda start: encoder.last(start, sequences))
    for expected, found in zip(whole, alone, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_last_tokens_alone(name: str) -> None:
    torch.manual_seed(0)
    encoder = ENCODERS[name]()
    initialise(encoder)
    sequences = pack_lists(LISTS)
    assert_last(encoder.double(), sequences, torch.randn(sequences.n_tokens, WIDTH, dtype=torch.float64))


@pytest.mark.parametrize("left", [False, True])
def test_the_last_items_alone_among_padding_tokens(left: bool) -> None:
    torch.manual_seed(0)
    encoder = filters(padding=True)
    initialise(encoder)
    sequences = pack_lists(LISTS).padded(6, PADDING, left)
    assert_last(encoder.double(), sequences, torch.randn(sequences.n_tokens, WIDTH, dtype=torch.float64))


def test_weights_of_the_last_token_are_dropped_at_their_rate() -> None:
    torch.manual_seed(0)
    rate, attention = 0.3, Attention(2, 2, 0.3)  # of width 1 a head
    for linear in (attention.query, attention.key):
        torch.nn.init.zeros_(linear.weight)
    for linear in (attention.value, attention.output):
        torch.nn.init.eye_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    sequences = pack_lists([[0]] * 2000)  # each token attends to itself alone, with weight 1
    attended = attention.last(torch.ones(2000, 2), sequences)
    dropped = (attended == 0).double().mean().item()
    assert dropped == pytest.approx(rate, abs=4.5 * (rate * (1 - rate) / attended.numel()) ** 0.5)
    torch.testing.assert_close(attended[attended != 0].unique(), torch.tensor([1 / (1 - rate)]))
    assert attention.eval().last(torch.ones(2000, 2), sequences).eq(1).all()
