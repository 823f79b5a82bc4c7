"""What a step draws once for its batch is the same in all processes that share the batch."""

from typing import Any

import numpy as np
import pytest
import torch

from lrbench.models.batch_draws import BatchDraws
from lrbench.models.latent.lares.config import LARESConfig
from lrbench.models.latent.lares.model import LARES
from lrbench.models.next_item import NextItemModel
from lrbench.registry import MODELS
from lrbench.testing import CPU, pack_lists

QUIET = {"dropout": 0.0, "attention_dropout": 0.0}


def processes(model: NextItemModel, draw: Any, shared: bool) -> list[Any]:
    """Return what two processes draw, each with its own seed of torch."""
    found = []
    for number in (1, 2):
        torch.manual_seed(number)
        model.batch_draws = BatchDraws(np.random.default_rng(5), CPU) if shared else None
        found.append(draw())
    return found


def test_the_number_of_steps_is_that_of_the_batch() -> None:
    model = LARES(LARESConfig(width=8, inner_width=8), 10, 6)

    def draw() -> list[int]:
        return [model.draw_steps() for _ in range(20)]

    first, second = processes(model, draw, shared=True)
    assert first == second
    assert len(set(first)) > 1
    first, second = processes(model, draw, shared=False)
    assert first != second


@pytest.mark.parametrize(
    "options", [{"item_dropout": 0.5}, {"loss": "sampled_softmax", "negatives": 3, "shared_negatives": True}]
)
def test_losses_of_dropped_items_and_of_shared_negatives_are_those_of_the_batch(
    options: dict[str, Any],
) -> None:
    kind = MODELS.load("sasrec")
    model = kind(kind.Config.model_validate({"width": 16, **QUIET, **options}), 40, 8)
    sequences, targets = pack_lists([[1, 2, 3], [4, 5]]), torch.tensor([6, 7])

    def draw() -> list[float]:
        losses = []
        for _ in range(3):
            with model.one_step():
                losses.append(model.target_loss(model.last_states(sequences), targets).item())
        return losses

    first, second = processes(model, draw, shared=True)
    assert first == second
    assert len(set(first)) == 3
    first, second = processes(model, draw, shared=False)
    assert first != second


def test_other_draws_are_those_of_the_process() -> None:
    model = LARES(LARESConfig(width=8, inner_width=8), 10, 6)

    def draw() -> list[float]:
        before = torch.rand(()).item()
        model.draw_steps()
        return [before, torch.rand(()).item()]

    torch.manual_seed(1)
    expected = [torch.rand(()).item(), torch.rand(()).item()]
    first, second = processes(model, draw, shared=True)
    assert first == expected
    assert first != second
