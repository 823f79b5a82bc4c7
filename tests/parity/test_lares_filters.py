"""LARES of FMLP and of BSARec blocks against the authors' numbers, padding tokens included."""

import pytest
import torch
from parity.filter_names import BSAREC_BLOCKS, FMLP_BLOCKS, block_names
from parity.lares_case import NAMES, compare_pretraining, give_states, pretraining_options
from parity.published import Renumbered
from torch import Tensor

from lrbench.models.latent.lares.model import LARES, LARESConfig

CASES = [
    (f"lares_{backbone}", adapter)
    for backbone in ("fmlp", "bsarec")
    for adapter in ("add", "concat", "linear")
]
SETTINGS = [
    *((folder, adapter, "dot") for folder, adapter in CASES),
    ("lares_fmlp", "add", "cos"),
    ("lares_bsarec", "add", "cos"),
]
BLOCKS = {"lares_fmlp": FMLP_BLOCKS, "lares_bsarec": BSAREC_BLOCKS}
precision = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def names(folder: str) -> dict[str, str]:
    blocks = BLOCKS[folder]
    return NAMES | block_names(blocks, "pre_encoder", "pre") | block_names(blocks, "core_encoder", "core")


def lares(published: Renumbered, adapter: str, **options: object) -> LARES:
    backbone = published.folder.removeprefix("lares_")
    sizes = {"width": 16, "inner_width": 32, "heads": 2, "pre_layers": 2, "core_layers": 2, "dropout": 0}
    config = LARESConfig(backbone=backbone, padding="tokens", adapter=adapter, **sizes, **options)
    model = LARES(config, published.n_items, 8)
    published.load(model, names(published.folder))
    return model


@precision
@pytest.mark.parametrize(("folder", "adapter"), CASES)
def test_states_and_scores(folder: str, adapter: str, dtype: torch.dtype) -> None:
    published = Renumbered(folder, dtype)
    model, cases = lares(published, adapter).eval(), published.cases
    sequences = model.arrange(published.sequences())

    def expect(actual: Tensor, key: str) -> None:
        published.equal(actual.view(6, 8, -1), cases[key], key)

    hidden = model.embedding(sequences)
    expect(hidden, "out.eval.input_embedding")
    for number, block in enumerate(model.pre.blocks):
        hidden = block(hidden, sequences)
        expect(hidden, f"out.eval.pre_block{number}")
    prefix = f"out.{adapter}.eval"
    inner = model.norm(model.adapter(cases["in.state_eval"].flatten(0, 1), hidden))
    for number, block in enumerate(model.core.blocks):
        inner = block(inner, sequences)
        expect(inner, f"{prefix}.step0_core_block{number}")
    give_states(model, published, [(cases["in.state_eval"], published.sequences())] * 2)
    for number, state in enumerate(model.unroll(model.prepare(sequences), sequences, 4)):
        published.equal(
            state.view(6, 8, -1), cases[f"{prefix}.states_all_steps"][:, number], f"step {number}"
        )
    states = model.encode(published.sequences(), (1, 2, 3, 4), None)
    published.equal(states.transpose(0, 1), cases[f"{prefix}.user_vectors_all_steps"], "user vectors")
    published.close(states[-1], f"{prefix}.user_vector")
    logits = states[-1] @ model.item_vectors().T
    published.close(logits, f"{prefix}.logits_dot")
    published.close(logits.log_softmax(-1), f"{prefix}.log_probs_last_step")
    cosine = lares(published, adapter, similarity="cos", temperature=0.07)
    published.close(cosine.user_vectors(states[-1]) @ cosine.item_vectors().T, f"{prefix}.logits_cos_tau0.07")


@precision
@pytest.mark.parametrize(("folder", "adapter", "setting"), SETTINGS)
def test_pretraining(
    folder: str, adapter: str, setting: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Renumbered(folder, dtype)
    model = lares(published, adapter, **pretraining_options(published, setting))
    compare_pretraining(published, model, setting, names(folder), monkeypatch)
