"""Every objective and metric is finite for a catalogue of one item, a batch of one target, and one pair."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lrbench.metrics import metric_function
from lrbench.models.next_item_loss import LossName, LossOptions, next_item_loss
from lrbench.objectives.alignment import info_nce, nt_xent, symmetric_info_nce
from lrbench.objectives.divergence import pairwise_divergence
from lrbench.objectives.log_probability import target_log_probabilities
from lrbench.objectives.policy import group_advantages, items_above, policy_loss, ranking_reward

WIDTH = 3
few = st.integers(1, 2)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, WIDTH, dtype=torch.float64, requires_grad=True)


def check(loss: Tensor, *inputs: Tensor) -> None:
    """The loss and its gradients are finite."""
    assert loss.isfinite()
    for gradient in torch.autograd.grad(loss, inputs):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("loss", get_args(LossOptions.model_fields["loss"].annotation))
@given(
    n_items=few, n_targets=few, negatives=few | st.none(), shared=st.booleans(), calibration=st.floats(0, 1)
)
def test_losses_of_the_next_item(
    loss: LossName, n_items: int, n_targets: int, negatives: int | None, shared: bool, calibration: float
) -> None:
    options = LossOptions(loss=loss, negatives=negatives, shared_negatives=shared, calibration=calibration)
    states, items = drawn(n_targets), drawn(n_items)
    check(next_item_loss(options, states, items, torch.randint(n_items, (n_targets,))), states, items)


@given(n_items=few, n_targets=few, n_states=few)
def test_losses_of_several_states(n_items: int, n_targets: int, n_states: int) -> None:
    states, items = drawn(n_states, n_targets), drawn(n_items)
    targets = torch.randint(n_items, (n_targets,))
    check(pairwise_divergence(states, items) + 0 * (states.sum() + items.sum()), states, items)
    logs = target_log_probabilities(states[0], items, targets)
    check(logs.sum(), states, items)
    rewards = ranking_reward(items_above(states[0], items, targets), "ndcg", 10).expand(2, -1)
    advantages = group_advantages(rewards)
    reference = torch.zeros(n_states, n_targets, dtype=torch.float64)
    check(policy_loss(states, items, targets, reference, advantages[0], 0.5)[0], states, items)


@given(n_rows=few, alone=st.booleans())
def test_contrasts(n_rows: int, alone: bool) -> None:
    """Also if no row is a negative of another."""
    first, second = drawn(n_rows), drawn(n_rows)
    excluded = ~torch.eye(n_rows, dtype=torch.bool) if alone else None
    check(info_nce(first @ second.T), first, second)
    check(symmetric_info_nce(first, second, "cos", 0.1, excluded), first, second)
    check(nt_xent(first, second, "cos", 0.1, excluded), first, second)


@pytest.mark.parametrize("name", ["recall@1", "ndcg@1", "ndcg@10", "mrr"])
@given(n_items=few, n_users=few, data=st.data())
def test_metrics(name: str, n_items: int, n_users: int, data: st.DataObject) -> None:
    """The target may be tied with the only other item."""
    ties = np.array(data.draw(st.lists(st.integers(0, n_items - 1), min_size=n_users, max_size=n_users)))
    above = np.array([data.draw(st.integers(0, n_items - 1 - tied)) for tied in ties.tolist()])
    values = metric_function(name)(1 + above + ties / 2, ties)
    assert ((values >= 0) & (values <= 1)).all()
