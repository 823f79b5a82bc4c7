"""An epoch keeps the loss of one step at a time, and computes losses within the model's ``one_step``."""

import math
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.base import Terms
from lrbench.models.sequential.sasrec import SASRec, SASRecConfig
from lrbench.models.supervised import Supervised
from lrbench.testing import random_histories, training_view
from lrbench.training.epoch import EpochResult, run_epoch
from lrbench.training.optimiser import Optimiser
from lrbench.training.step import GradientStep

CPU = torch.device("cpu")


class Watched(Supervised):
    """Records at each step whether the last step's loss still exists, and the item vectors."""

    def __init__(self, model: SASRec) -> None:
        super().__init__(model)
        self.left_over: list[bool] = []
        self.tables: list[Tensor] = []
        self._last: weakref.ref[Tensor] | None = None

    def losses(self, batch: TrainingBatch) -> Terms:
        if self._last is not None:
            self.left_over.append(self._last() is not None)
        self.tables.append(self.model.item_vectors().detach())
        terms = super().losses(batch)
        self._last = weakref.ref(terms["loss"])
        return terms


def epoch_of(stage: Watched) -> EpochResult:
    view, training = training_view(random_histories(40, shortest=3)), TrainingConfig(batch_size=20)
    batches = TrainingData(view, 6).batches(training.batch_size, CPU, np.random.default_rng(0))
    optimiser = Optimiser(stage.model.parameters(), training)
    return run_epoch(GradientStep(stage, optimiser, training, CPU), batches, "the test")


def model(item_dropout: float) -> SASRec:
    view = training_view(random_histories(40, shortest=3))
    return SASRec(SASRecConfig(width=8, heads=2, item_dropout=item_dropout), view.n_items, 6)


def test_a_step_is_gone_before_the_next_one() -> None:
    stage = Watched(model(0.0))
    stage.model.eval()  # as the validation of an earlier epoch leaves it
    result = epoch_of(stage)
    assert stage.model.training
    assert result.steps > 2
    assert stage.left_over == [False] * (result.steps - 1)


def test_items_are_dropped_anew_in_every_step_and_whole_in_between() -> None:
    stage = Watched(model(0.5))
    epoch_of(stage)
    dropped = [table == 0 for table in stage.tables]
    assert all(0.2 < share.float().mean() < 0.8 for share in dropped)
    assert not torch.equal(dropped[0], dropped[1])
    assert (stage.model.item_vectors() != 0).all()


@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_step_has_its_own_gradients_alone_and_clips_their_norm(clip: float | None) -> None:
    plain, training = model(0.0), TrainingConfig(gradient_clip=clip)
    step = GradientStep(Supervised(plain), Optimiser(plain.parameters(), training), training, CPU)
    weight = next(plain.parameters())
    for _ in range(2):
        step.follow({"loss": 3 * weight.sum()})
    assert weight.grad is not None
    expected = 3.0 if clip is None else clip / math.sqrt(weight.numel())
    torch.testing.assert_close(weight.grad, torch.full_like(weight, expected))
