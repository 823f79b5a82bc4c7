"""GRU4Rec against RecBole's numbers."""

import pytest
import torch
from parity.published import Published
from parity.recbole_case import check_cross_entropy, check_pairwise_ranking, check_scores

from lrbench.models.sequential.gru4rec import GRU4Rec, GRU4RecConfig

NAMES = {
    r"item_embedding\.weight": "items.weight",
    r"gru_layers\.(\w+)": r"gru.\1",
    r"dense\.(\w+)": r"output.\1",
}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("gru4rec", request.param)


@pytest.fixture
def model(published: Published) -> GRU4Rec:
    config = GRU4RecConfig(width=16, hidden_width=20, layers=2, dropout=0)
    model = GRU4Rec(config, n_items=51, max_length=8)
    published.load(model, NAMES)
    return model


def test_states_and_logits(published: Published, model: GRU4Rec) -> None:
    sequences = published.sequences()

    def state(key: str) -> torch.Tensor:
        return published.at_tokens(published.cases[f"out.eval.{key}"], sequences)

    outputs = sequences.by_group(lambda padded: model.gru(padded)[0], model.items(sequences.items))
    published.equal(outputs, state("gru_states"), "gru_states")
    published.equal(model.token_states(sequences), state("dense_states"), "dense_states")

    check_scores(published, model)


def test_cross_entropy_and_gradients(published: Published, model: GRU4Rec) -> None:
    check_cross_entropy(published, model, NAMES)


def test_pairwise_ranking_and_gradients(published: Published, model: GRU4Rec) -> None:
    check_pairwise_ranking(published, model, NAMES)
