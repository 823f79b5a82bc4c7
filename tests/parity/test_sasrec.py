"""SASRec against RecBole's numbers."""

import pytest
import torch
from parity.published import Published, last_target_batch, training_data
from parity.sasrec_names import NAMES

from lrbench.models.sequential.sasrec import SASRec, SASRecConfig
from lrbench.models.supervised import Supervised
from lrbench.objectives.sampled import sampled_loss
from lrbench.objectives.sparse_scores import chosen_scores


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("sasrec", request.param)


@pytest.fixture
def model(published: Published) -> SASRec:
    config = SASRecConfig(width=16, inner_width=32, heads=2, layers=2, dropout=0, attention_dropout=0)
    model = SASRec(config, n_items=51, max_length=8)
    published.load(model, NAMES)
    return model


def test_states_and_logits(published: Published, model: SASRec) -> None:
    sequences = published.sequences()

    def state(key: str) -> torch.Tensor:
        return published.at_tokens(published.cases[f"out.eval.{key}"], sequences)

    hidden = model.embedding(sequences)
    published.equal(hidden, state("input_embedding"), "input_embedding")
    for number, block in enumerate(model.encoder.blocks):
        hidden = block.mixer(hidden, sequences)
        published.equal(hidden, state(f"block{number}_after_attention"), f"block{number}_after_attention")
        hidden = block.feed_forward(hidden, sequences)
        published.equal(hidden, state(f"block{number}"), f"block{number}")

    (users,) = model.encode(sequences, (0,), None)
    published.close(users, "out.eval.user_vector")
    published.close(model.score(users), "out.eval.logits")
    published.close(model.score(users), "out.ce.train_logits")


def test_cross_entropy_and_gradients(published: Published, model: SASRec) -> None:
    data = training_data(published, ("in.item_seq", "in.item_len"))
    loss = Supervised(model).losses(last_target_batch(data, 6))["loss"]
    published.close(loss, "out.ce.loss_total")
    loss.backward()
    published.close_gradients(model, "out.ce", NAMES)


def test_pairwise_ranking_and_gradients(published: Published, model: SASRec) -> None:
    """RecBole adds 1e-10 to the probability; without it gradients differ in the tenth digit."""
    cases, (users,) = published.cases, model.encode(published.sequences(), (0,), None)
    items, target, negative = model.item_vectors(), cases["in.target"], cases["in.negative"]
    for key, chosen in ("pos_score", target), ("neg_score", negative):
        published.close(chosen_scores(users, items, chosen[:, None]).squeeze(1), f"out.bpr.{key}")
    loss = sampled_loss("bpr", users, items, target, negative[:, None])
    published.close(loss, "out.bpr.loss_total")
    loss.backward()
    scale = 10 if published.dtype == torch.float64 else 1
    published.close_gradients(model, "out.bpr", NAMES, scale)
