"""Score changes that move a target, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_data import leave_one_out, small_dataset, trial_config
from table_model import TableModel, view_of

from lrbench.evaluation.ranking import rank_targets
from lrbench.evaluation.score_gaps import _gap, score_gaps
from lrbench.execution.train_and_rank import build_model

CPU = torch.device("cpu")
SCORES = torch.tensor([10.0, 8.0, 5.0, 4.0, 1.0, 4.0])  # the target is item 2, third of six


@pytest.mark.parametrize(
    ("wanted", "gap"),
    [
        (3, 0),  # its rank
        (2, 0.3),  # 8 must not be above 5
        (2.5, 0.3),  # 8 must be level with it
        (1, 0.5),  # nor 10
        (4, 0.1),  # a 4 must be above 5
        (3.5, 0.1),  # or level with it
        (5, 0.1),  # both must be
        (6, 0.4),  # and the 1
        (7, np.inf),  # there are six items
        (0.5, np.inf),
    ],
)
def test_gaps_by_hand(wanted: float, gap: float) -> None:
    assert _gap(SCORES, 2, wanted) == pytest.approx(gap)


def test_a_gap_is_a_share_of_the_largest_absolute_score() -> None:
    assert _gap(torch.tensor([-20.0, 8.0, 5.0]), 2, 1) == pytest.approx(3 / 20)


@pytest.mark.parametrize(("wanted", "gap"), [(3, 0), (2, 3 / 9), (4, 1 / 9), (5, np.inf)])
def test_items_that_are_not_ranked_do_not_count(wanted: float, gap: float) -> None:
    """Item 1 is not ranked. The target, item 3, is third of the other four."""
    table = torch.tensor([[9.0, 100.0, 8.0, 5.0, 4.0]]).expand(5, 5)
    view = replace(view_of([[0, 3]], 5), not_ranked=np.array([1]))
    found = score_gaps(TableModel(table), view, (0,), 0, CPU, np.array([[wanted]]))
    assert found[0, 0] == pytest.approx(gap)


def test_gaps_are_those_of_the_users_that_are_asked_for() -> None:
    dataset = small_dataset()
    model = build_model(trial_config("lares"), dataset, CPU)
    view = leave_one_out(dataset.sequences).test
    ranks = rank_targets(model, view, (0, 2), 7, CPU).rank  # (depths, users)
    wanted = np.full(ranks.shape, np.nan)
    wanted[1, [5, 70]] = ranks[1, [5, 70]]
    wanted[0, 3] = 1 + ranks[0, 3] % 40
    gaps = score_gaps(model, view, (0, 2), 7, CPU, wanted)
    assert (np.isnan(gaps) == np.isnan(wanted)).all()
    assert (gaps[1, [5, 70]] == 0).all()
    assert gaps[0, 3] > 0
