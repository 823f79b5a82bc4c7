"""LARES, network and pre-training, against the authors' numbers; each random draw is given."""

import pytest
import torch
from parity.lares_case import NAMES, give_states, give_steps, lares
from parity.published import Published, last_target_batch, last_targets, training_data
from torch import Tensor

from lrbench.models.lares import LARES
from lrbench.models.lares_pretraining import SelfSupervised
from lrbench.objectives.alignment import info_nce

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


def pretraining(published: Published, adapter: str, setting: str) -> tuple[LARES, SelfSupervised]:
    """The stage with its three passes' draws given; rows 6 to 11 of the data are the same-target ones."""
    settings = published.config["loss_settings"][setting]
    options = {"similarity": settings["sem_func"], "temperature": settings["tau"]}
    weights = {"alpha": settings["alpha"], "gamma": settings["gamma"]}
    model = lares(published, adapter=adapter, same_sequence_negatives=True, **options, **weights)
    stage = SelfSupervised(model)
    data = training_data(published, ("in.item_seq", "in.item_len"), ("in.aug_seq", "in.aug_len"))
    stage.begin(data, torch.device("cpu"))
    same_target = last_targets(data, 12)[6:]
    stage._same_target.draw = lambda target_ids: same_target

    own, other = published.sequences(), published.sequences("in.aug_seq", "in.aug_len")
    passes = [("in.state_pass1", own), ("in.state_pass2", own), ("in.state_pass3", other)]
    give_states(model, published, [(published.cases[key], sequences) for key, sequences in passes])
    views_steps = 1 if setting == "dotk1" else published.config["k_aug"]
    give_steps(model, [published.config["k_main"], views_steps])
    return model, stage


@precision
@pytest.mark.parametrize(("folder", "adapter", "setting"), SETTINGS)
def test_pretraining_losses_and_gradients(
    folder: str, adapter: str, setting: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Published(folder, dtype)
    model, stage = pretraining(published, adapter, setting)
    drawn_step = torch.tensor([published.config["j"]])
    monkeypatch.setattr(torch, "randint", lambda *_: drawn_step)
    terms = stage.losses(last_target_batch(stage._data, 6))

    prefix = f"out.{adapter}.{setting}"
    published.close(terms["cross_entropy"], f"{prefix}.loss_ce")
    published.close(terms["trajectory"], f"{prefix}.loss_traj")
    published.close(terms["loss"], f"{prefix}.loss_total")
    if setting == "dotk1":
        assert "step" not in terms
    else:
        published.close(terms["step"], f"{prefix}.loss_step")
    terms["loss"].backward()
    published.close_gradients(model, prefix, NAMES)


@precision
@pytest.mark.parametrize(("folder", "adapter", "setting"), SETTINGS)
def test_each_direction_of_alignment(folder: str, adapter: str, setting: str, dtype: torch.dtype) -> None:
    published = Published(folder, dtype)
    prefix = f"out.{adapter}.{setting}"
    options = published.config["loss_settings"][setting]
    own, other, middle = (
        published.cases.get(f"{prefix}.user_vector_{name}") for name in ("pass2", "pass3", "pass2_step_j")
    )

    def direction(anchors: Tensor, others: Tensor) -> Tensor:
        if options["sem_func"] == "cos":
            anchors = torch.nn.functional.normalize(anchors, dim=-1)
            others = torch.nn.functional.normalize(others, dim=-1)
        return info_nce(anchors @ others.T / options["tau"])

    published.close(direction(own, other), f"{prefix}.loss_traj_2to3")
    published.close(direction(other, own), f"{prefix}.loss_traj_3to2")
    if middle is not None:
        published.close(direction(own, middle), f"{prefix}.loss_step_final_to_j")
        published.close(direction(middle, own), f"{prefix}.loss_step_j_to_final")
