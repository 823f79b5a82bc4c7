"""LARES of FMLP and of BSARec blocks against the authors' numbers, padding tokens included."""

import pytest
import torch
from parity.filter_names import BSAREC_BLOCKS, FMLP_BLOCKS, block_names
from parity.lares_case import NAMES, give_steps
from parity.published import Renumbered, last_target_batch, last_targets, training_data
from torch import Tensor

from lrbench.models.lares import LARES, LARESConfig
from lrbench.models.lares_pretraining import SelfSupervised

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


def give_states(model: LARES, states: list[Tensor]) -> None:
    """Let the model start its next trajectories from these states, (batch, position, width) each."""
    left = [state.flatten(0, 1) for state in states]
    model.initial_state = lambda pre, noise=None: left.pop(0)  # type: ignore[method-assign]


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
    give_states(model, [cases["in.state_eval"]] * 2)
    for number, state in enumerate(model.unroll(model.prepare(sequences), sequences, 4)):
        published.equal(
            state.view(6, 8, -1), cases[f"{prefix}.states_all_steps"][:, number], f"step {number}"
        )
    states = model.encode(published.sequences(), (1, 2, 3, 4), None)
    published.equal(states.transpose(0, 1), cases[f"{prefix}.user_vectors_all_steps"], "user vectors")
    logits = states[-1] @ model.item_vectors().T
    published.close(logits, f"{prefix}.logits_dot")
    published.close(logits.log_softmax(-1), f"{prefix}.log_probs_last_step")
    cosine = lares(published, adapter, similarity="cos", temperature=0.07)
    published.close(cosine.user_vectors(states[-1]) @ cosine.item_vectors().T, f"{prefix}.logits_cos_tau0.07")


@precision
@pytest.mark.parametrize(("folder", "adapter", "setting"), SETTINGS)
def test_pretraining_losses_and_gradients(
    folder: str, adapter: str, setting: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Renumbered(folder, dtype)
    chosen = published.config["loss_settings"][setting]
    options = {"similarity": chosen["sem_func"], "temperature": chosen["tau"]}
    options |= {"alpha": chosen["alpha"], "gamma": chosen["gamma"], "same_sequence_negatives": True}
    model = lares(published, adapter, **options)
    stage = SelfSupervised(model)
    data = training_data(published, ("in.item_seq", "in.item_len"), ("in.aug_seq", "in.aug_len"))
    stage.begin(data, torch.device("cpu"))
    stage._same_target.draw = lambda target_ids: last_targets(data, 12)[6:]
    batch = last_target_batch(data, 6)
    assert batch.sequences.n_sequences == 6
    give_states(model, [published.cases[f"in.state_pass{number}"] for number in (1, 2, 3)])
    give_steps(model, [published.config["k_main"], published.config["k_aug"]])
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor([published.config["j"]]))
    terms = stage.losses(batch)
    prefix = f"out.{adapter}.{setting}"
    published.close(terms["cross_entropy"], f"{prefix}.loss_ce")
    published.close(terms["trajectory"], f"{prefix}.loss_traj")
    published.close(terms["step"], f"{prefix}.loss_step")
    published.close(terms["loss"], f"{prefix}.loss_total")
    terms["loss"].backward()
    published.close_gradients(model, prefix, names(folder))
