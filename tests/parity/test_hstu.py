"""HSTU against the authors' numbers, with and without time-stamps."""

import pytest
import torch
from parity.published import CPU, Published, calls, last_target_batch, training_data

from lrbench.data.batches import TrainingBatch
from lrbench.models.sequential.hstu import HSTU, HSTUConfig
from lrbench.objectives import sampled
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.sampled import sampled_loss

LAYER, OWN = r"_hstu\._attention_layers\.(\d+)\.", r"encoder.blocks.\1."
NAMES = {
    r"_embedding_module\._item_emb\.weight": "items.weight",
    r"_input_features_preproc\._pos_emb\.weight": "positions.weight",
    r"_attn_mask": "mask",
    LAYER + r"_uvqk": OWN + "project",
    LAYER + r"_rel_attn_bias\._ts_w": OWN + "time_bias",
    LAYER + r"_rel_attn_bias\._pos_w": OWN + "position_bias",
    LAYER + r"_o\.(\w+)": OWN + r"output.\2",
}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("hstu", request.param)


def hstu(published: Published, time_bias: bool = True) -> HSTU:
    config = HSTUConfig(width=16, heads=2, output_length=3, dropout=0, time_bias=time_bias)
    model = HSTU(config, published.n_items, 8)
    published.load(model, NAMES)
    return model


def every_target(published: Published) -> TrainingBatch:
    data = training_data(published, ("in.item_seq", "in.item_len"))
    (batch,) = data.batches(data.n_targets, CPU)
    return batch


@pytest.mark.parametrize("time", ["time", "notime"])
def test_states_and_scores(published: Published, time: str) -> None:
    model, batch = hstu(published, time == "time"), every_target(published)
    if time == "notime":
        for block in model.encoder.blocks:  # without times the source adds none
            block.position_bias.data.zero_()
    sequences, prefix = batch.sequences, f"out.{time}.eval"
    hidden = model.embed(sequences)
    for number, block in enumerate(model.encoder.blocks):
        hidden = block(hidden, sequences)
        expected = published.at_tokens(published.cases[f"{prefix}.block{number}"], sequences)
        published.equal(hidden, expected, f"block {number}")
    states = model.token_states(sequences)
    published.equal(states, published.at_tokens(published.cases[f"{prefix}.encoded"], sequences), "encoded")
    (users,) = model.encode(sequences, (0,), None)
    published.close(users, f"{prefix}.user_vector")
    published.close(model.score(users) * 0.05, f"{prefix}.logits")


def test_bias_of_places_and_times(published: Published) -> None:
    model, stamps = hstu(published), published.cases["in.timestamps"]
    block = model.encoder.blocks[0]
    # The last of the 11 places has no next time, and no item reaches it.
    bias = block.bias_by_place(10) + block.bias_by_time(stamps[:, 1:], stamps[:, :-1])
    published.equal(bias, published.cases["out.time.eval.bias_block0"][:, :10, :10], "bias")


def test_sampled_softmax_and_gradients(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch, cases = hstu(published), every_target(published), published.cases
    encoded, items = model.token_states(batch.sequences), model.item_vectors()
    published.equal(encoded, published.at_tokens(cases["out.train.encoded"], batch.sequences), "encoded")
    states = encoded[batch.rows]
    assert torch.equal(batch.targets, cases["out.train.supervision_ids"])
    scored = calls(monkeypatch, sampled, "chosen_scores")
    loss = sampled_loss("sampled_softmax", states, items, batch.targets, cases["in.negative_ids"])
    # A negative that is the target gets −50,000 in the source and −∞ here.
    same = cases["in.negative_ids"] == batch.targets[:, None]
    positive, negative = scored[0].result.tensor_split([1], 1)
    published.close(positive, "out.train.positive_logits")
    published.close(negative.masked_fill(same, -50_000), "out.train.negative_logits")
    each = zip(*(part.split(1) for part in (states, batch.targets, cases["in.negative_ids"])), strict=True)
    of_each = [sampled_loss("sampled_softmax", state, items, *chosen) for state, *chosen in each]
    published.close(torch.stack(of_each), "out.train.loss_per_position")
    published.close(loss, "out.train.loss_total")
    loss.backward()
    published.close_gradients(model, "out.train", NAMES)


def test_full_cross_entropy_and_gradients(published: Published) -> None:
    model = hstu(published)
    batch = last_target_batch(training_data(published, ("in.item_seq", "in.item_len")), 6)
    states = model.token_states(batch.sequences)[batch.rows]
    loss = cross_entropy(states, model.item_vectors(), batch.targets)
    published.close(loss, "out.full_ce.loss_total")
    loss.backward()
    published.close_gradients(model, "out.full_ce", NAMES)
