"""LARES with published weights and published random draws."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity.published import (
    CPU,
    Published,
    block_names,
    by_user,
    calls,
    last_target_batch,
    last_targets,
    training_data,
)
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.latent.lares import pretraining as lares_pretraining
from lrbench.models.latent.lares.model import LARES, LARESConfig
from lrbench.models.latent.lares.pretraining import SelfSupervised
from lrbench.objectives.alignment import info_nce

NAMES = {
    r"item_embedding\.weight": "embedding.items.weight",
    r"position_embedding\.weight": "embedding.positions.weight",
    r"layernorm_1\.(\w+)": r"embedding.norm.\1",
    r"layernorm_2\.(\w+)": r"norm.\1",
    r"adapter": "adapter.logit",
    r"adapter\.(\w+)": r"adapter.\1",
    **block_names("pre_encoder", "pre"),
    **block_names("core_encoder", "core"),
}


def lares(published: Published, file: str = "weights", **options: Any) -> LARES:
    """The small network of the reference numbers, without dropout."""
    sizes = {"width": 16, "inner_width": 32, "heads": 2, "pre_layers": 2, "core_layers": 2, "dropout": 0}
    config = LARESConfig(**(sizes | {"reinforcement_dropout": 0} | options))
    model = LARES(config, n_items=51, max_length=8)
    published.load(model, NAMES, file)
    return model


def give_states(model: LARES, published: Published, states: Sequence[tuple[Tensor, Packed]]) -> None:
    """Let the model start its next trajectories from these states, (batch, position, width) each."""
    left = [published.at_tokens(state, model.arrange(sequences)) for state, sequences in states]

    def initial_state(pre: Tensor, noise: torch.Generator | None = None) -> Tensor:
        state = left.pop(0)
        assert state.shape == pre.shape
        return state

    model.initial_state = initial_state  # type: ignore[method-assign]


def give_rollout_states(model: LARES, published: Published, states: Sequence[tuple[Tensor, Packed]]) -> None:
    """Let the model start rollouts from these states, all of them in one trajectory."""
    together = torch.cat(
        [published.at_tokens(state, model.arrange(sequences)) for state, sequences in states]
    )
    model.initial_state = lambda pre, noise=None: together  # type: ignore[method-assign]


def give_steps(model: LARES, steps: Sequence[int]) -> None:
    """Let the model draw these numbers of steps."""
    left = list(steps)
    model.draw_steps = lambda: left.pop(0)  # type: ignore[method-assign]


def pretraining_options(published: Published, setting: str) -> dict[str, Any]:
    """Options of the losses of a setting."""
    chosen = published.config["loss_settings"][setting]
    options = {"similarity": chosen["sem_func"], "temperature": chosen["tau"]}
    return options | {"alpha": chosen["alpha"], "gamma": chosen["gamma"], "same_sequence_negatives": True}


def pretraining(published: Published, model: LARES, setting: str) -> SelfSupervised:
    """The stage with the draws of its passes given, the last pass first.

    Rows 6 to 11 of the data are the same-target ones.
    """
    stage = SelfSupervised(model)
    data = training_data(published, ("in.item_seq", "in.item_len"), ("in.aug_seq", "in.aug_len"))
    stage.begin(data, CPU)
    same_target = last_targets(data, 12)[6:]
    stage._same_target.draw = lambda target_ids: same_target

    own, other = published.sequences(), published.sequences("in.aug_seq", "in.aug_len")
    passes = [("in.state_pass3", other), ("in.state_pass2", own), ("in.state_pass1", own)]
    give_states(model, published, [(published.cases[key], sequences) for key, sequences in passes])
    views_steps = 1 if setting == "dotk1" else published.config["k_aug"]
    give_steps(model, [views_steps, published.config["k_main"]])
    return stage


def both_directions(
    first: Tensor, second: Tensor, similarity: str, temperature: float, excluded: Tensor | None
) -> tuple[Tensor, Tensor]:
    """InfoNCE from the first view to the second, and back."""
    if similarity == "cos":
        first, second = F.normalize(first, dim=-1), F.normalize(second, dim=-1)
    similarities = first @ second.T / temperature
    if excluded is not None:
        similarities = similarities.masked_fill(excluded, -torch.inf)
    return info_nce(similarities), info_nce(similarities.T)


def compare_pretraining(
    published: Published,
    model: LARES,
    setting: str,
    names: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Vectors of the three passes, both directions of both alignments, the losses and their gradients."""
    prefix, stage = f"out.{model.config.adapter}.{setting}", pretraining(published, model, setting)
    batch, drawn_step = last_target_batch(stage._data, 6), torch.tensor([published.config["j"]])
    monkeypatch.setattr(torch, "randint", lambda *_: drawn_step)
    predictions = calls(monkeypatch, lares_pretraining, "cross_entropy")
    alignments = calls(monkeypatch, stage, "_info_nce")
    means = calls(monkeypatch, lares_pretraining, "symmetric_info_nce")
    terms = stage.losses(batch)

    states, items, *_ = predictions[0].arguments
    users = by_user(states, batch)
    published.close(users, f"{prefix}.user_vector_pass1")
    published.close(users @ items.T, f"{prefix}.train_logits")
    (last, other, _), _ = alignments[0]
    published.close(by_user(last, batch), f"{prefix}.user_vector_pass2")
    published.close(by_user(other, batch), f"{prefix}.user_vector_pass3")
    losses = {"ce": terms["cross_entropy"], "traj": terms["trajectory"], "total": terms["loss"]}
    both_ways = ["traj_2to3", "traj_3to2"]
    if setting == "dotk1":  # one step has no other to compare with
        assert "step" not in terms
    else:
        published.close(by_user(alignments[1].arguments[1], batch), f"{prefix}.user_vector_pass2_step_j")
        losses["step"] = terms["step"]
        both_ways += ["step_final_to_j", "step_j_to_final"]
    directions = [direction for call in means for direction in both_directions(*call.arguments)]
    losses |= dict(zip(both_ways, directions, strict=True))
    for name, loss in losses.items():
        published.close(loss, f"{prefix}.loss_{name}")
    terms["loss"].backward()
    published.close_gradients(model, prefix, names)
