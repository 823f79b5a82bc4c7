"""BERT4Rec against RecBole's numbers, whose accidents are given as inputs."""

import numpy as np
import pytest
import torch
from parity.published import CPU, Published, block_names

from lrbench.data.packing import Packed, pack
from lrbench.models.sequential.bert4rec import BERT4Rec, BERT4RecConfig
from lrbench.objectives.cross_entropy import cross_entropy

NAMES = {
    r"item_embedding\.weight": "embedding.items.weight",
    r"position_embedding\.weight": "embedding.positions.weight",
    r"LayerNorm\.(\w+)": r"embedding.norm.\1",
    r"output_bias": "head.bias",
    r"output_ffn\.(\w+)": r"head.linear.\1",
    r"output_ln\.(\w+)": r"head.norm.\1",
    **block_names("trm_encoder", "encoder"),
}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("bert4rec", request.param)


@pytest.fixture
def model(published: Published) -> BERT4Rec:
    config = BERT4RecConfig(width=16, inner_width=32, dropout=0, drop_first=True)
    model = BERT4Rec(config, published.n_items, 8)
    published.load(model, NAMES)
    return model


def test_inference(published: Published, model: BERT4Rec) -> None:
    histories = published.sequences()
    asked = histories.appended(np.full(6, 51), histories.host.lengths - 1)
    seen = published.cases["out.eval.reconstructed_seq"][asked.sequence_of, asked.positions]
    assert torch.equal(asked.items, seen)

    def close(actual: torch.Tensor, key: str) -> None:
        published.equal(actual, published.at_tokens(published.cases[key], asked), key)

    hidden = model.embedding(asked)
    close(hidden, "out.eval.input_embedding")
    for number, block in enumerate(model.encoder.blocks):
        close(block.mixer(hidden, asked), f"out.eval.block{number}_after_attention")
        hidden = block(hidden, asked)
        close(hidden, f"out.eval.block{number}")
    close(model.states(asked, asked.items)[:, :-1], "out.eval.output_head")
    (users,) = model.encode(histories, (0,), None)
    published.close(users[:, :-1], "out.eval.user_vector")
    published.close(model.score(users), "out.eval.logits")


@pytest.mark.parametrize("case", ["cloze", "last"])
def test_cross_entropy_of_hidden_items(published: Published, model: BERT4Rec, case: str) -> None:
    cases = published.cases
    sequences = masked_sequences(published, case)
    places, positives = cases[f"in.{case}.masked_index"], cases[f"in.{case}.positives"]
    row, column = torch.nonzero(places > 0, as_tuple=True)  # the source does not count place 0
    assert torch.equal((places > 0).flatten(), cases[f"out.{case}_ce.counted"].bool())
    tokens = sequences.first[row] + places[row, column]
    states = model.states(sequences, sequences.items)[tokens]
    expected = cases[f"out.{case}_ce.masked_position_vectors"][row, column]
    published.equal(states[:, :-1], expected, "masked positions")
    published.equal(model.score(states), cases[f"out.{case}_ce.train_logits"][row, column], "logits")
    loss = cross_entropy(states, model.item_vectors(), positives[row, column])
    published.close(loss, f"out.{case}_ce.loss_total")
    loss.backward()
    published.close_gradients(model, f"out.{case}_ce", NAMES)


def masked_sequences(published: Published, case: str) -> Packed:
    rows = published.cases[f"in.{case}.masked_seq"].numpy()
    lengths = (rows != 0).sum(1)
    starts = np.arange(len(rows), dtype=np.int64) * rows.shape[1]
    return pack(rows.flatten(), starts, starts + lengths, CPU)
