"""Weights and settings are selected by the protocol's metric on validation, worked out by hand."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from small_data import leave_one_out, small_dataset, trial_config
from table_model import TableModel, view_of
from torch import Tensor

from lrbench.config.protocol import PROTOCOLS, Protocol
from lrbench.data.packing import Packed
from lrbench.execution.train_and_rank import build_model
from lrbench.models.base import ChoiceStage
from lrbench.training.choice import choose
from lrbench.training.news import EpochDone
from lrbench.training.trainer import selection_metric, train

CPU = torch.device("cpu")
VIEW = view_of([[0, 1, 2, 3]], 6)
SCORES = [9.0, 8.0, 7.0, 0.0, 1.0, 0.0]
"""Three seen items and item 4 are above the target, item 3. Item 5 is level with it."""


def protocol(masked: bool, metric: str = "mrr") -> Protocol:
    return PROTOCOLS["loo-20"].model_copy(update={"mask_seen": masked, "selection_metric": metric})


@pytest.mark.parametrize(
    ("masked", "metric", "expected"),
    [
        (False, "mrr", (1 / 5 + 1 / 6) / 2),  # the target shares places 5 and 6 with item 5
        (True, "mrr", (1 / 2 + 1 / 3) / 2),
        (False, "recall@5", 1 / 2),
        (True, "recall@1", 0),
    ],
)
def test_the_metric_is_that_of_the_protocol(masked: bool, metric: str, expected: float) -> None:
    model = TableModel(torch.tensor([SCORES]).expand(6, 6))
    found = selection_metric(model, VIEW, protocol(masked, metric), 0, 1, CPU)
    assert found == pytest.approx(expected)


class Candidates(ChoiceStage):
    """Each candidate adds to the score of the target."""

    added: ClassVar = {0.1: 0.0, 0.2: 0.5, 0.3: 0.6, 0.4: -1.0}
    chosen = 0.0

    def candidates(self) -> tuple[float, ...]:
        return tuple(self.added)

    def encode(self, sequences: Packed) -> Tensor:
        scores = torch.tensor(SCORES).repeat(len(self.added), sequences.n_sequences, 1)
        scores[:, :, 3] += torch.tensor(list(self.added.values()))[:, None]
        return scores

    def choose(self, candidate: float) -> None:
        self.chosen = candidate


@pytest.mark.parametrize(("masked", "places"), [(False, (5, 6)), (True, (2, 3))])
def test_the_first_of_the_best_candidates_is_chosen(masked: bool, places: tuple[int, int]) -> None:
    """0.2 and 0.3 both move the target above item 5; with 0.1 it is level with it, with 0.4 below."""
    stage = Candidates(TableModel(torch.zeros(6, 6)))
    best, tried = choose(stage, VIEW, protocol(masked), 1, CPU)
    assert best == stage.chosen == 0.2
    upper, lower = (1 / place for place in places)
    assert tried == pytest.approx({0.1: (upper + lower) / 2, 0.2: upper, 0.3: upper, 0.4: lower})


def test_validation_comes_every_few_epochs_and_after_the_last_one(tmp_path: Path) -> None:
    dataset, news = small_dataset(), list[EpochDone]()
    config = trial_config(max_epochs=5, validate_every=2, batch_size=10_000, learning_rate=1e-12, patience=3)
    model, split = build_model(config, dataset, CPU), leave_one_out(dataset.sequences)
    done = train(model, config, split, CPU, tmp_path / "checkpoint.pt", news.append)
    assert [report.epoch for report in news if report.metric is not None] == [2, 4, 5]
    assert [row["validation_metric"] for row in done.history] == [report.metric for report in news]
    # So small a learning rate changes no rank: the first validation is the best.
    assert done.stages[0].best_epoch == 2
    assert [report.validations_left for report in news] == [3, 3, 3, 2, 1]
