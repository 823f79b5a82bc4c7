"""Losses that are read together equal those read step by step. A NaN is reported with its step."""

import pytest
import torch
from torch import Tensor

from lrbench.errors import LrbenchError
from lrbench.training.loss_record import LossRecord

STEPS: list[tuple[dict[str, Tensor], int]] = [
    ({"loss": torch.tensor(0.3), "step": torch.tensor(0.1)}, 7),
    ({"loss": torch.tensor(0.7)}, 3),
    ({"loss": torch.tensor(1.9), "step": torch.tensor(0.2, dtype=torch.float64)}, 5),
]


@pytest.mark.parametrize("every", [1, 2, 5])
def test_means_do_not_depend_on_when_losses_are_read(every: int) -> None:
    record = LossRecord("the test", {})
    for number, (terms, targets) in enumerate(STEPS, 1):
        record.add(terms, targets)
        if number % every == 0:
            record.read()
    record.read()
    once = LossRecord("the test", {})
    for terms, targets in STEPS:
        once.add(terms, targets)
        once.read()
    assert record.means() == once.means()
    assert record.means() == pytest.approx({"loss": (2.1 + 2.1 + 9.5) / 15, "step": (0.7 + 1.0) / 12})
    assert record.last == once.last
    assert record.steps == 3


def test_a_bad_loss_is_named_by_its_step_and_the_values_before_it() -> None:
    record = LossRecord("stage spt, epoch 2", {"loss": 0.5})
    record.add({"loss": torch.tensor(0.25)}, 1)
    record.read()
    for loss in (0.125, float("nan"), 0.5):
        record.add({"loss": torch.tensor(loss)}, 1)
    with pytest.raises(LrbenchError, match=r"nan in stage spt, epoch 2, at step 3 .* \{'loss': 0.125\}"):
        record.read()


def test_nothing_is_read_before_the_first_step() -> None:
    record = LossRecord("the test", {"loss": 0.5})
    record.read()
    assert record.means() == {}
    assert record.last == {"loss": 0.5}
