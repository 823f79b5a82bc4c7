"""A chain after a shared prefix has the states that the encoder gives to prefix plus chain."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.layers.blocks import Encoder, transformer
from lrbench.models.layers.initialisation import initialise
from lrbench.models.layers.joint_chain import JointChains, chains_after
from lrbench.models.layers.token_chain import Chains, encode_items, whole_blocks
from lrbench.testing import pack_lists

WIDTH, STEPS, STREAMS = 8, 3, 2
HISTORIES = [[0, 1, 2, 3, 4], [5], [6, 7], [8, 9, 10, 11], [12, 13]]


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    encoder = transformer(2, WIDTH, 2, 12, 0.0, 0.0).double()
    initialise(encoder)
    for parameter in encoder.parameters():  # large enough for attention to matter
        parameter.data.mul_(10).add_(torch.randn_like(parameter) / 10)
    return encoder


def reference(encoder: Encoder, items: Tensor, start: Tensor, add: Callable[[Tensor, int], Tensor]) -> Tensor:
    """States of a chain, (steps, width), by encoding prefix and chain again at each step."""
    tokens, states = items, []
    token = start
    for step in range(STEPS):
        tokens = torch.cat((tokens, token[None]))
        state = encoder(tokens, pack_lists([list(range(len(tokens)))]))[-1]
        states.append(state)
        token = add(state, step)
    return torch.stack(states)


def chained(
    encoder: Encoder, hidden: Tensor, sequences: Packed, everywhere: bool, offsets: Tensor, joint: bool
) -> Tensor:
    """States, (steps, rows, streams, width); stream m starts from the row's state + offset m."""
    rows, memories = encode_items(encoder, hidden, sequences, everywhere)
    blocks = whole_blocks(encoder)
    if joint:
        chains: Chains | JointChains = JointChains(blocks, sequences, memories)
    else:
        chains = Chains(blocks, sequences, memories, everywhere)
    token, found = rows[:, None] + offsets, []
    for step in range(STEPS):
        found.append(chains.extend(token))
        token = found[-1] * 0.5 + step
    return torch.stack(found)


@pytest.mark.parametrize(("everywhere", "joint"), [(True, False), (False, False), (True, True)])
def test_shared_prefixes_equal_one_prefix_at_a_time(encoder: Encoder, everywhere: bool, joint: bool) -> None:
    sequences = pack_lists(HISTORIES)
    torch.manual_seed(1)
    hidden = torch.randn(sequences.n_tokens, WIDTH, dtype=torch.float64, requires_grad=True)
    offsets = torch.randn(STREAMS, WIDTH, dtype=torch.float64)
    found = chained(encoder, hidden, sequences, everywhere, offsets, joint)
    expected = torch.empty_like(found)
    for number in range(len(HISTORIES)):
        first, last = int(sequences.first[number]), int(sequences.last[number])
        for token in range(first, last + 1) if everywhere else [last]:
            prefix = hidden[first : token + 1]
            state = encoder(prefix, pack_lists([list(range(len(prefix)))]))[-1]
            for stream in range(STREAMS):
                chain = reference(
                    encoder, prefix, state + offsets[stream], lambda state, step: state * 0.5 + step
                )
                expected[:, token if everywhere else number, stream] = chain
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    weights = torch.randn_like(found)
    parameters = [hidden, *encoder.parameters()]
    ours = torch.autograd.grad((found * weights).sum(), parameters)
    theirs = torch.autograd.grad((expected * weights).sum(), parameters)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-8, atol=1e-9)


def test_the_device_decides_the_form(encoder: Encoder) -> None:
    sequences = pack_lists(HISTORIES)
    _, memories = encode_items(encoder, torch.randn(sequences.n_tokens, WIDTH).double(), sequences, True)
    assert isinstance(chains_after(whole_blocks(encoder), sequences, memories, True), Chains)
    elsewhere = replace(sequences, items=sequences.items.to("meta"))
    for everywhere, kind in ((True, JointChains), (False, Chains)):
        assert isinstance(chains_after(whole_blocks(encoder), elsewhere, memories, everywhere), kind)


def test_items_keep_their_states(encoder: Encoder) -> None:
    sequences = pack_lists(HISTORIES)
    hidden = torch.randn(sequences.n_tokens, WIDTH, dtype=torch.float64)
    expected = encoder(hidden, sequences)
    torch.testing.assert_close(encode_items(encoder, hidden, sequences, everywhere=True)[0], expected)
    last, _ = encode_items(encoder, hidden, sequences, everywhere=False)
    torch.testing.assert_close(last, expected[sequences.last])
