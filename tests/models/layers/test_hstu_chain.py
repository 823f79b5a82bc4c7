"""A latent token has the state that its vector would have as one more token of the history."""

import pytest
import torch
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.hstu_block import HSTUBlock
from lrbench.models.layers.hstu_chain import UnitChains, encode_with_units
from lrbench.testing import pack_lists

HISTORIES = [[0, 1, 2, 3], [4, 5], [6]]
WIDTH, LATENTS = 8, 3


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    units = Encoder(lambda: HSTUBlock(WIDTH, 2, 12, 0.0, time_bias=False, query_width=3, value_width=5), 2)
    for parameter in units.parameters():
        parameter.data.add_(torch.randn_like(parameter) / 3)
    return units.double().eval()


def embedded(sequences: Packed) -> Tensor:
    table = torch.randn(7, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return table[sequences.items]


def chained(encoder: Encoder, everywhere: bool, latents: Tensor) -> tuple[Packed, list[Tensor]]:
    """States of items and of each latent token, (rows, width) each. Negated tokens are a second stream."""
    sequences = pack_lists(HISTORIES)
    rows, memories = encode_with_units(encoder, embedded(sequences), sequences, everywhere)
    chains = UnitChains(encoder, sequences, memories, everywhere)
    states = [rows]
    for latent in latents:
        inputs = torch.stack((latent, -latent)).expand(len(rows), 2, WIDTH)
        states.append(chains.extend(inputs)[:, 0])
    return sequences, states


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_chain_is_a_longer_history(encoder: Encoder, everywhere: bool) -> None:
    latents = torch.randn(LATENTS, WIDTH, dtype=torch.float64)
    sequences, states = chained(encoder, everywhere, latents)
    for number, history in enumerate(HISTORIES):
        for length in range(1, len(history) + 1) if everywhere else [len(history)]:
            longer = pack_lists([history[:length] + [0] * LATENTS])
            hidden = torch.cat((embedded(longer)[:length], latents))
            expected = encoder(hidden, longer)
            row = int(sequences.first[number]) + length - 1 if everywhere else number
            for step in range(LATENTS + 1):
                torch.testing.assert_close(states[step][row], expected[length - 1 + step])


def test_streams_do_not_see_each_other(encoder: Encoder) -> None:
    sequences = pack_lists(HISTORIES)
    rows, memories = encode_with_units(encoder, embedded(sequences), sequences, everywhere=False)
    inputs = torch.randn(2, 3, 2, WIDTH, dtype=torch.float64)
    both, alone = (UnitChains(encoder, sequences, memories, everywhere=False) for _ in range(2))
    for step in inputs:
        together, single = both.extend(step), alone.extend(step[:, :1])
        torch.testing.assert_close(together[:, :1], single)
    assert rows.shape == (3, WIDTH)
