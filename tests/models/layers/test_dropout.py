"""Dropout keeps elements at its rate, keeps the mean, and passes gradients to the kept elements alone."""

import pytest
import torch
from torch import nn

from lrbench.models.layers.attention import Attention
from lrbench.models.layers.dropout import Dropout, draw_kept
from lrbench.models.layers.embeddings import ItemEmbedding
from lrbench.models.sequential.sasrec import SASRec, SASRecConfig
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.testing import pack_lists

ELEMENTS = 1_000_000


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.25, 0.5, 0.9, 0.999])
def test_the_rate_and_the_mean_are_kept(rate: float) -> None:
    torch.manual_seed(1)
    dropped = Dropout(rate)(torch.ones(1000, 1000))
    share = (dropped == 0).double().mean().item()
    assert abs(share - rate) < 5 * (rate * (1 - rate) / ELEMENTS) ** 0.5 + 1 / 131_072
    kept = dropped[dropped != 0]
    assert (kept == kept[0]).all()
    assert kept[0].item() == pytest.approx(1 / (1 - rate), rel=0.01)


def test_places_and_calls_are_independent() -> None:
    torch.manual_seed(2)
    layer = Dropout(0.5)
    first, second = (layer(torch.ones(ELEMENTS)) == 0 for _ in range(2))
    for one, other in ((first, second), (first[:-1], first[1:]), (first[:-64], first[64:])):
        both = (one & other).double().mean().item()
        assert abs(both - 0.25) < 5 * (0.25 * 0.75 / ELEMENTS) ** 0.5
    assert abs((layer(torch.ones(1000, 1000)) == 0).double().mean(0) - 0.5).max() < 0.08


def test_the_same_seed_drops_the_same() -> None:
    def draw() -> torch.Tensor:
        torch.manual_seed(3)
        return Dropout(0.3)(torch.ones(5, 7))

    assert torch.equal(draw(), draw())


def test_gradients_reach_what_stays() -> None:
    torch.manual_seed(4)
    value = torch.randn(50, 40, dtype=torch.float64, requires_grad=True)
    dropped = Dropout(0.3)(value)
    weights = torch.randn_like(dropped)
    (gradient,) = torch.autograd.grad((dropped * weights).sum(), value)
    torch.testing.assert_close(gradient, torch.where(dropped == 0, 0.0, weights * dropped / value))


def test_at_the_ends() -> None:
    value = torch.randn(6)
    assert torch.equal(Dropout(0.5).eval()(value), value)
    assert torch.equal(Dropout(0.0)(value), value)
    assert not Dropout(1.0)(value).any()
    assert isinstance(Dropout(0.5), nn.Dropout)  # so that `set_dropout` finds it


def test_a_rate_just_below_one_keeps_the_mean() -> None:
    torch.manual_seed(3)
    dropped = Dropout(0.999999)(torch.ones(ELEMENTS))
    assert set(dropped.unique().tolist()) == {0.0, 65536.0}
    assert dropped.mean().item() == pytest.approx(1, abs=5 * (65536 / ELEMENTS) ** 0.5)


def test_attention_with_dropout_means_attention_without() -> None:
    """The mean over many masks is the output without dropout. The products are lrbench's, not torch's."""
    torch.manual_seed(5)
    attention = Attention(8, 2, 0.4).double()
    hidden, sequences = torch.randn(9, 8, dtype=torch.float64), pack_lists([[1, 2, 3], [4, 5], [6, 7, 8, 9]])
    with torch.no_grad():
        mean = torch.stack([attention(hidden, sequences) for _ in range(4000)]).mean(0)
        torch.testing.assert_close(mean, attention.eval()(hidden, sequences), atol=0.02, rtol=0)


def test_items_are_dropped_once_for_histories_and_scores_of_a_step() -> None:
    rate = 0.5
    config = SASRecConfig(width=16, dropout=0.0, attention_dropout=0.0, item_dropout=rate)
    model = SASRec(config, 40, 8)
    sequences, targets = pack_lists([[1, 2, 3], [4, 5]]), torch.tensor([6, 7])
    table = model.item_table().weight

    def loss() -> torch.Tensor:
        return model.target_loss(model.last_states(sequences), targets)

    torch.manual_seed(4)
    with model.one_step():
        dropped = loss()
    (gradient,) = torch.autograd.grad(dropped, table)
    assert model.item_table().weight is table

    torch.manual_seed(4)
    kept, factor = draw_kept(table.shape, rate)
    with torch.no_grad():
        table.mul_(kept).mul_(factor)
    expected = loss()
    (by_dropped,) = torch.autograd.grad(expected, table)
    assert torch.equal(dropped, expected)
    torch.testing.assert_close(gradient, by_dropped * kept * factor)


def test_items_are_whole_outside_of_a_step() -> None:
    model = SASRec(SASRecConfig(width=16, item_dropout=0.5), 40, 8)
    states, targets = torch.randn(6, 16), torch.arange(6)
    items = model.item_vectors().detach()
    with model.one_step():
        assert not torch.equal(model.item_vectors(), items)
    for mode in (True, False):
        model.train(mode)
        assert torch.equal(model.target_loss(states, targets), cross_entropy(states, items, targets))
        assert torch.equal(model.score(states), states @ items.T)


def test_a_table_is_whole_again_after_an_error() -> None:
    table = ItemEmbedding(4, 3)
    with pytest.raises(ZeroDivisionError), table.dropping(0.5):
        1 / 0  # noqa: B018
    assert table.vectors is table.weight
    assert list(table.parameters()) == [table.weight]
