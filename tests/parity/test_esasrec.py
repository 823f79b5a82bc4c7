"""eSASRec against the numbers of RecTools' blocks."""

import pytest
import torch
from parity.published import Published

from lrbench.models.sequential.esasrec import ESASRec, ESASRecConfig
from lrbench.objectives.sampled import sampled_loss
from lrbench.testing import pack_lists

BLOCK, OURS = r"layers\.transformer_blocks\.(\d+)\.", r"encoder.blocks.\1."
NAMES = {
    r"item_embedding\.weight": "embedding.items.weight",
    r"position_embedding\.weight": "embedding.positions.weight",
    BLOCK + r"layer_norm_1\.(\w+)": OURS + r"mixer.norm.\2",
    BLOCK + r"multi_head_attn\.out_proj\.(\w+)": OURS + r"mixer.inner.output.\2",
    BLOCK + r"multi_head_attn\.(\w+)\.(\w+)": OURS + r"mixer.inner.\2.\3",
    BLOCK + r"gating_linear_1\.(\w+)": OURS + r"mixer.gate.\2",
    BLOCK + r"layer_norm_2\.(\w+)": OURS + r"feed_forward.norm.\2",
    BLOCK + r"feed_forward\.ff_linear_1\.(\w+)": OURS + r"feed_forward.inner.switch.\2",
    BLOCK + r"feed_forward\.ff_linear_2\.(\w+)": OURS + r"feed_forward.inner.contract.\2",
    BLOCK + r"feed_forward\.ff_linear_3\.(\w+)": OURS + r"feed_forward.inner.expand.\2",
    BLOCK + r"gating_linear_2\.(\w+)": OURS + r"feed_forward.gate.\2",
}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("esasrec", request.param)


@pytest.fixture
def model(published: Published) -> ESASRec:
    without = dict.fromkeys(("dropout", "input_dropout", "item_dropout"), 0.0)
    config = ESASRecConfig(width=16, heads=2, layers=2, positions="start", **without)
    model = ESASRec(config, published.n_items, 8)
    published.load(model, NAMES)
    return model


def test_states_and_logits(published: Published, model: ESASRec) -> None:
    sequences = published.sequences()

    def close(actual: torch.Tensor, key: str) -> None:
        published.equal(actual, published.at_tokens(published.cases[f"out.eval.{key}"], sequences), key)

    hidden = model.embedding.items(sequences.items) + model.embedding.positions(sequences.positions)
    close(hidden, "embedded")
    for number, block in enumerate(model.encoder.blocks):
        hidden = block(hidden, sequences)
        close(hidden, f"block{number}")
    (users,) = model.encode(sequences, (0,), None)
    published.close(users, "out.eval.user_vector")
    published.close(model.score(users), "out.eval.logits")


def test_sampled_softmax_and_gradients(published: Published, model: ESASRec) -> None:
    cases, (users,) = published.cases, model.encode(published.sequences(), (0,), None)
    vectors, targets, negatives = model.item_vectors(), cases["in.target"], cases["in.negative"]
    loss = sampled_loss("sampled_softmax", users, vectors, targets, negatives)
    published.close(loss, "out.ss.loss_total")
    loss.backward()
    published.close_gradients(model, "out.ss", NAMES)


def test_positions_count_from_the_end() -> None:
    torch.manual_seed(0)
    model = ESASRec(ESASRecConfig(width=16), 20, 8).eval()
    turned = ESASRec(ESASRecConfig(width=16, positions="start"), 20, 8).eval()
    turned.load_state_dict(model.state_dict())
    with torch.no_grad():
        turned.embedding.positions.weight[:3] = model.embedding.positions.weight[:3].flip(0)
        sequences = pack_lists([[4, 5, 6], [7, 8, 9]])
        assert torch.equal(model.token_states(sequences), turned.token_states(sequences))
