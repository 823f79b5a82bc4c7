"""GRU4Rec against RecBole's numbers."""

import pytest
import torch
from parity.published import Published, last_target_batch, training_data

from lrbench.models.sequential.gru4rec import GRU4Rec, GRU4RecConfig
from lrbench.models.supervised import Supervised
from lrbench.objectives.sampled import sampled_loss
from lrbench.objectives.sparse_scores import chosen_scores

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

    (users,) = model.encode(sequences, (0,), None)
    published.close(users, "out.eval.user_vector")
    published.close(model.score(users), "out.eval.logits")
    published.close(model.score(users), "out.ce.train_logits")


def test_cross_entropy_and_gradients(published: Published, model: GRU4Rec) -> None:
    data = training_data(published, ("in.item_seq", "in.item_len"))
    loss = Supervised(model).losses(last_target_batch(data, 6))["loss"]
    published.close(loss, "out.ce.loss_total")
    loss.backward()
    published.close_gradients(model, "out.ce", NAMES)


def test_pairwise_ranking_and_gradients(published: Published, model: GRU4Rec) -> None:
    """Without the 1e-10 that RecBole adds to the probability."""
    cases, (users,) = published.cases, model.encode(published.sequences(), (0,), None)
    items, target, negative = model.item_vectors(), cases["in.target"], cases["in.negative"]
    for key, chosen in ("pos_score", target), ("neg_score", negative):
        published.close(chosen_scores(users, items, chosen[:, None]).squeeze(1), f"out.bpr.{key}")
    loss = sampled_loss("bpr", users, items, target, negative[:, None])
    published.close(loss, "out.bpr.loss_total")
    loss.backward()
    published.close_gradients(model, "out.bpr", NAMES)
