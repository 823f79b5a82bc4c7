"""LARES with published weights and published random draws."""

from collections.abc import Sequence
from typing import Any

import torch
from parity.published import Published, block_names
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.lares import LARES, LARESConfig

NAMES = {
    r"item_embedding\.weight": "embedding.items.weight",
    r"position_embedding\.weight": "embedding.positions.weight",
    r"layernorm_1\.(\w+)": r"embedding.norm.\1",
    r"layernorm_2\.(\w+)": r"norm.\1",
    r"adapter": "adapter.logit",
    r"adapter\.(\w+)": r"adapter.\1",
    **block_names("pre_encoder", "pre"),
    **block_names("core_encoder", "core"),
}


def lares(published: Published, file: str = "weights", **options: Any) -> LARES:
    """The small network of the reference numbers, without dropout."""
    sizes = {"width": 16, "inner_width": 32, "heads": 2, "pre_layers": 2, "core_layers": 2, "dropout": 0}
    config = LARESConfig(**(sizes | {"reinforcement_dropout": 0} | options))
    model = LARES(config, n_items=51, max_length=8)
    published.load(model, NAMES, file)
    return model


def give_states(model: LARES, published: Published, states: Sequence[tuple[Tensor, Packed]]) -> None:
    """Let the model start its next trajectories from these states, (batch, position, width) each."""
    left = [published.at_tokens(state, sequences) for state, sequences in states]

    def initial_state(pre: Tensor, noise: torch.Generator | None = None) -> Tensor:
        state = left.pop(0)
        assert state.shape == pre.shape
        return state

    model.initial_state = initial_state  # type: ignore[method-assign]


def give_steps(model: LARES, steps: Sequence[int]) -> None:
    """Let the model draw these numbers of steps."""
    left = list(steps)
    model.draw_steps = lambda: left.pop(0)  # type: ignore[method-assign]
