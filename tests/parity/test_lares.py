"""LARES, network and pre-training, against the authors' numbers; each random draw is given."""

import pytest
import torch
from parity.lares_case import NAMES, compare_pretraining, give_states, lares, pretraining_options
from parity.published import Published
from torch import Tensor

ADAPTERS = [("lares", "add"), ("lares_adapters", "concat"), ("lares_adapters", "linear")]
SETTINGS = [
    *(("lares", "add", setting) for setting in ("dot", "cos", "cosyaml", "dotk1")),
    *(("lares_adapters", adapter, setting) for adapter in ("concat", "linear") for setting in ("dot", "cos")),
]
precision = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


@precision
@pytest.mark.parametrize(("folder", "adapter"), ADAPTERS)
def test_states_of_every_block_and_step(folder: str, adapter: str, dtype: torch.dtype) -> None:
    published = Published(folder, dtype)
    model = lares(published, adapter=adapter).eval()
    sequences = published.sequences()

    def expect(actual: Tensor, key: str) -> None:
        published.equal(actual, published.at_tokens(published.cases[key], sequences), key)

    hidden = model.embedding(sequences)
    expect(hidden, "out.eval.input_embedding")
    for number, block in enumerate(model.pre.blocks):
        hidden = block(hidden, sequences)
        expect(hidden, f"out.eval.pre_block{number}")

    state = published.at_tokens(published.cases["in.state_eval"], sequences)
    inner = model.norm(model.adapter(state, hidden))
    for number, block in enumerate(model.core.blocks):
        inner = block(inner, sequences)
        expect(inner, f"out.{adapter}.eval.step0_core_block{number}")

    give_states(model, published, [(published.cases["in.state_eval"], sequences)])
    every_step = published.cases[f"out.{adapter}.eval.states_all_steps"]  # (batch, step, position, width)
    for number, state in enumerate(model.unroll(model.prepare(sequences), sequences, 4)):
        published.equal(state, published.at_tokens(every_step[:, number], sequences), f"step {number}")


@precision
@pytest.mark.parametrize(("folder", "adapter"), ADAPTERS)
def test_encoding_and_scores(folder: str, adapter: str, dtype: torch.dtype) -> None:
    published = Published(folder, dtype)
    sequences = published.sequences()
    start = (published.cases["in.state_eval"], sequences)
    model = lares(published, adapter=adapter).eval()
    give_states(model, published, [start])
    states = model.encode(sequences, (1, 2, 3, 4), None)
    prefix = f"out.{adapter}.eval"
    published.equal(states.transpose(0, 1), published.cases[f"{prefix}.user_vectors_all_steps"], "each step")
    published.close(states[-1], f"{prefix}.user_vector")
    published.close(model.score(states[-1]), f"{prefix}.logits_dot")
    published.close(model.score(states[-1]).log_softmax(-1), f"{prefix}.log_probs_last_step")

    cosine = lares(published, adapter=adapter, similarity="cos", temperature=0.07)
    published.close(cosine.score(states[-1]), f"{prefix}.logits_cos_tau0.07")


@precision
@pytest.mark.parametrize(("folder", "adapter", "setting"), SETTINGS)
def test_pretraining(
    folder: str, adapter: str, setting: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Published(folder, dtype)
    model = lares(published, adapter=adapter, **pretraining_options(published, setting))
    compare_pretraining(published, model, setting, NAMES, monkeypatch)
