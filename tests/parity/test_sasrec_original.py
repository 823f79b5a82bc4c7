"""SASRec's own block against the numbers of RecTools' layers."""

import pytest
import torch
from parity.published import Published

from lrbench.models.sequential.sasrec_original import OriginalSASRec, OriginalSASRecConfig
from lrbench.objectives.cross_entropy import cross_entropy

BLOCK, OURS = r"layers\.transformer_blocks\.(\d+)\.", r"encoder.blocks.\1."
NAMES = {
    r"item_embedding\.weight": "embedding.items.weight",
    r"position_embedding\.weight": "embedding.positions.weight",
    r"layers\.last_layernorm\.(\w+)": r"norm.\1",
    BLOCK + r"q_layer_norm\.(\w+)": OURS + r"mixer.norm.\2",
    BLOCK + r"multi_head_attn\.out_proj\.(\w+)": OURS + r"mixer.attention.output.\2",
    BLOCK + r"multi_head_attn\.(\w+)\.(\w+)": OURS + r"mixer.attention.\2.\3",
    BLOCK + r"ff_layer_norm\.(\w+)": OURS + r"feed_forward.norm.\2",
    BLOCK + r"feed_forward\.ff_linear_1\.(\w+)": OURS + r"feed_forward.expand.\2",
    BLOCK + r"feed_forward\.ff_linear_2\.(\w+)": OURS + r"feed_forward.contract.\2",
}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("sasrec_original", request.param)


@pytest.fixture(params=["absent", "attended"])
def padding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(published: Published, padding: str) -> OriginalSASRec:
    config = OriginalSASRecConfig(width=16, heads=2, dropout=0, scaled=False, padding=padding)
    model = OriginalSASRec(config, published.n_items, 8)
    published.load(model, NAMES)
    return model


def test_states_and_logits(published: Published, padding: str, model: OriginalSASRec) -> None:
    sequences = published.sequences()

    def close(actual: torch.Tensor, key: str) -> None:
        name = f"out.{padding}.{key}"
        published.equal(actual, published.at_tokens(published.cases[name], sequences), name)

    hidden = model.embedding(sequences)
    close(hidden, "embedded")
    for number, block in enumerate(model.encoder.blocks):
        hidden = block(hidden, sequences)
        close(hidden, f"block{number}")
    close(model.token_states(sequences), "states")
    (users,) = model.encode(sequences, (0,), None)
    published.close(users, f"out.{padding}.user_vector")
    published.close(model.score(users), f"out.{padding}.logits")


def test_loss_and_gradients(published: Published, padding: str, model: OriginalSASRec) -> None:
    (users,) = model.encode(published.sequences(), (0,), None)
    loss = cross_entropy(users, model.item_vectors(), published.cases["in.target"])
    published.close(loss, f"out.{padding}.loss_total")
    loss.backward()
    published.close_gradients(model, f"out.{padding}", NAMES)
