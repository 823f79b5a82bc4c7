"""Every target reasons as if its prefix stood alone, on both backbones: the prefix mask written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.data.batches import TrainingData
from lrbench.models.base import GradientStage
from lrbench.models.latent.rearec.erl import ERL
from lrbench.models.latent.rearec.network import ReaRecNetwork
from lrbench.models.latent.rearec.plr import PLR
from lrbench.models.latent.rearec.prl import PRL
from lrbench.models.layers.blocks import Encoder
from lrbench.models.layers.token_chain import whole_blocks
from lrbench.testing import CPU, pack_lists, training_view

STEPS, N_ITEMS, MAX_LENGTH = 3, 14, 6
HISTORIES = [[0, 1, 2, 3, 4, 5], [6], [7, 8, 9], [10, 11, 12, 13], [3, 3]]
SIZES = {"width": 8, "heads": 2, "inner_width": 12, "steps": STEPS}


def encode(encoder: Encoder, tokens: Tensor, seen: Tensor) -> Tensor:
    """States of one sequence, (tokens, width), in which token i sees j where ``seen[i, j]``."""
    sequence = pack_lists([[0] * len(tokens)])
    for block in whole_blocks(encoder):
        by_head = block.attention.project(tokens).view(len(tokens), 3, block.attention.heads, -1)
        query, key, value = by_head.permute(1, 2, 0, 3)  # (heads, tokens, …) each
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        tokens = block.finish(mixed.transpose(0, 1).flatten(1), tokens, sequence)
    return tokens


def last_state(model: ReaRecNetwork, items: Tensor, steps: list[Tensor]) -> Tensor:
    """State of the last of items and steps, (width,)."""
    tokens = torch.cat((items, *(step[None] for step in steps)))
    seen = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()
    if model.config.backbone == "bert4rec":
        seen[: len(items), : len(items)] = True
    return encode(model.encoder, tokens, seen)[-1]


def chain(model: ReaRecNetwork, items: Tensor, state: Tensor) -> Tensor:
    """States after each step from ``state``, (steps, width); PLR adds the state before."""
    steps, states = [], []
    for number in range(STEPS):
        steps.append(model.step_input(state, number))
        stepped = last_state(model, items, steps)
        state = stepped + state if isinstance(model, PLR) else stepped
        states.append(state)
    return torch.stack(states)


def reasoned(model: ReaRecNetwork, prefix: list[int]) -> Tensor:
    """States of a prefix by itself, (steps + 1, width) or, for PLR, (steps + 1, streams, width)."""
    items = model.embedding(pack_lists([prefix]))
    start = last_state(model, items, [])
    if not isinstance(model, PLR):
        return torch.cat((start[None], chain(model, items, start)))
    streams = [torch.cat((start[None], chain(model, items, start + trigger))) for trigger in model.triggers]
    return torch.stack(streams, 1)


@pytest.mark.parametrize("backbone", ["sasrec", "bert4rec"])
@pytest.mark.parametrize("kind", [ERL, PRL, PLR])
def test_each_target_reasons_as_if_its_prefix_stood_alone(kind: type[ReaRecNetwork], backbone: str) -> None:
    torch.manual_seed(0)
    config = kind.Config.model_validate({**SIZES, "backbone": backbone})
    model = kind(config, N_ITEMS, MAX_LENGTH).double().eval()
    for parameter in model.parameters():  # large enough for attention to matter
        parameter.data.add_(torch.randn_like(parameter) / 3)
    rows = GradientStage.rows_for(kind, config)
    data = TrainingData(training_view(HISTORIES, N_ITEMS), MAX_LENGTH, rows)
    (batch,) = data.batches(data.n_targets, CPU)
    prefixes = [history[:length] for history in HISTORIES for length in range(1, len(history))]

    found, _ = model.training_states(batch)  # (steps + 1, targets, …, width)
    expected = torch.stack([reasoned(model, prefix) for prefix in prefixes], 1)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    scored = model.encode(pack_lists(prefixes), range(STEPS + 1), None)
    torch.testing.assert_close(scored, model.representations(expected), rtol=1e-10, atol=1e-10)

    weights = torch.randn_like(found)
    ours, theirs = (
        torch.autograd.grad((states * weights).sum(), list(model.parameters()), allow_unused=True)
        for states in (found, expected)
    )
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-8, atol=1e-9)
