"""Parts that no pass uses are left out, and the others are as they were."""

from typing import Any

import pytest
import torch

from lrbench.models.base import Model
from lrbench.registry import MODELS
from lrbench.testing import MAX_LENGTH, N_ITEMS

SIZES = {"width": 16, "heads": 2, "inner_width": 32}


def built(name: str, options: dict[str, Any]) -> Model:
    kind = MODELS.load(name)
    torch.manual_seed(0)
    return kind(kind.Config.model_validate(SIZES | options), N_ITEMS, MAX_LENGTH)


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [
        ("lares", {"mean_depth": 0, "adapter": "concat"}, {"adapter", "norm"}),
        ("recurrence", {}, {"step_positions"}),
        ("erl", {"chain": "views"}, {"step_positions"}),
        ("plr", {"steps": 0}, {"step_positions", "triggers", "gate"}),
        ("plr", {"chain": "views"}, {"step_positions", "triggers"}),
        ("latent-rl", {"latents": 0}, {"attention"}),
        ("latent-rl", {"latents": 0, "latent": "constant"}, {"constant"}),
        ("diffureason", {"guidance_dropout": 0.0}, {"denoiser"}),
        ("disenreason", {"queries": "learned"}, {"pivot"}),
        ("mancar", {"rescale": False}, {"scale"}),
    ],
)
def test_the_other_weights_start_as_beside_the_parts_that_are_left_out(
    name: str, options: dict[str, Any], parts: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = built(name, options)
    monkeypatch.setattr(Model, "leave_out", lambda *_: None)
    whole = dict(built(name, options).named_parameters())
    weights = dict(model.named_parameters())
    assert whole.keys() - weights.keys() == model.left_out
    assert {weight.split(".")[0] for weight in model.left_out} == parts
    assert all(torch.equal(weight, whole[name]) for name, weight in weights.items())
