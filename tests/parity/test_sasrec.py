"""SASRec against RecBole's numbers."""

import pytest
import torch
from parity.published import Published
from parity.recbole_case import check_cross_entropy, check_pairwise_ranking, check_scores
from parity.sasrec_names import NAMES

from lrbench.models.sequential.sasrec import SASRec, SASRecConfig


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

    check_scores(published, model)


def test_cross_entropy_and_gradients(published: Published, model: SASRec) -> None:
    check_cross_entropy(published, model, NAMES)


def test_pairwise_ranking_and_gradients(published: Published, model: SASRec) -> None:
    """Without RecBole's 1e-10, gradients of SASRec differ in the tenth digit."""
    check_pairwise_ranking(published, model, NAMES, scale=10 if published.dtype == torch.float64 else 1)
