"""Options that are refused as without effect have none. With other values of other options they have one."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lrbench.data.batches import TrainingData
from lrbench.models.base import GradientStage, Model
from lrbench.registry import MODELS
from lrbench.testing import MAX_LENGTH, N_ITEMS, pack_lists, random_histories, training_view

CPU = torch.device("cpu")
SMALL = {
    "width": 16,
    "heads": 2,
    "inner_width": 32,
    "layers": 1,
    "mean_depth": 2,
    "steps": 2,
    "sampler_steps": 2,
    "noise_levels": 8,
    "rollouts": 2,
    "users": 3,
    "bands": 2,
}
"""Options that make models small. A model gets those that it has."""

VIEWS: dict[str, Any] = {"chain": "views"}
HSTU: dict[str, Any] = {"backbone": "hstu"}
WITHOUT_NOISE: dict[str, Any] = {"refinement": "deterministic", "policy_weight": 0.0}
WITHOUT_GRAPH: dict[str, Any] = {"graph": "none", "context_items": 0, "teacher_weight": 0.0}
LEARNED: dict[str, Any] = {"queries": "learned"}
STEPS: dict[str, Any] = {"chain": "reasoning"}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # model, what leaves the option out, the option, what brings it back
    ("gru4rec", {"loss": "cross_entropy"}, {"negatives": 3}, {"loss": "bce"}),
    ("gru4rec", {"loss": "cross_entropy"}, {"shared_negatives": True}, {"loss": "bce"}),
    ("gru4rec", {"loss": "bce"}, {"calibration": 0.1}, {"loss": "gbce"}),
    ("diffurec", {"latent": "zero"}, {"noise_levels": 9}, {"latent": "noisy"}),
    ("diffurec", {"latent": "zero"}, {"noise_schedule": "cosine"}, {"latent": "noisy"}),
    ("diffurec", {"latent": "zero"}, {"uncertainty": 0.5}, {"latent": "noisy"}),
    ("duorec", {"contrast": "us_x"}, {"unsupervised_weight": 0.5}, {"contrast": "us"}),
    ("duorec", {"contrast": "su"}, {"unsupervised_weight": 0.5}, {"contrast": "un"}),
    ("duorec", {"contrast": "un"}, {"supervised_weight": 0.5}, {"contrast": "su"}),
    ("erl", HSTU, {"inner_width": 48}, {"backbone": "sasrec"}),
    ("erl", HSTU, {"attention_dropout": 0.1}, {"backbone": "sasrec"}),
    ("recurrence", VIEWS, {"step_embedding": True}, STEPS),
    ("plr", VIEWS, {"step_network": "attention"}, STEPS),
    ("plr", VIEWS, {"inference": "reasoning"}, STEPS),
    ("mancar", VIEWS, {"rescale": False}, STEPS),
    ("mancar", VIEWS, {"halting": 0.5}, STEPS),
    ("mancar", WITHOUT_GRAPH, {"context_neighbours": 2}, {"graph": "swing", "context_items": 4}),
    ("mancar", WITHOUT_GRAPH, {"teacher_neighbours": 2}, {"graph": "swing", "teacher_weight": 1.0}),
    ("mancar", WITHOUT_GRAPH, {"teacher_schedule": "constant"}, {"graph": "swing", "teacher_weight": 1.0}),
    ("latent-rl", {"latent": "constant"}, {"reach": 1}, {"latent": "attention"}),
    ("lares", {"backbone": "attention"}, {"frequency_cutoff": 5}, {"backbone": "bsarec"}),
    ("lares", {"backbone": "fmlp"}, {"frequency_share": 0.2}, {"backbone": "bsarec"}),
    ("lares", {"backbone": "fmlp"}, {"inner_width": 48}, {"backbone": "attention"}),
    ("lares", HSTU, {"inner_width": 48}, {"backbone": "bsarec"}),
    ("lares", {"start": "zero"}, {"noise_std": 2.0}, {"start": "normal"}),
    ("lares", {"start": "zero"}, {"noise_scale": 1.0}, {"start": "normal_zero"}),
    ("diffureason", WITHOUT_NOISE, {"noise_schedule": "linear"}, {"refinement": "diffusion"}),
    ("diffureason", WITHOUT_NOISE, {"start": "zero"}, {"refinement": "diffusion"}),
    ("diffureason", WITHOUT_NOISE, {"ensemble": 2}, {"refinement": "diffusion"}),
    ("diffureason", WITHOUT_NOISE, {"guidance_dropout": 0.7}, {"refinement": "diffusion"}),
    ("diffureason", WITHOUT_NOISE, {"cross_entropy_from": "random"}, {"refinement": "diffusion"}),
    ("diffureason", WITHOUT_NOISE, {"denoising_weight": 0.5}, {"refinement": "diffusion"}),
    ("diffureason", {"start": "zero"}, {"ensemble": 2}, {"start": "noise"}),
    ("diffureason", {"start": "noise"}, {"start_level": 0.3}, {"start": "hypothesis"}),
    ("diffureason", {"start": "zero"}, {"start_level": 0.3}, {"start": "hypothesis"}),
    ("diffureason", {"reward": "rank"}, {"reward_cutoff": 3}, {"reward": "recall"}),
    ("disenreason", {"count": "fixed"}, {"likeness": -0.5}, {"count": "stop"}),
    ("disenreason", LEARNED, {"pivot": "shuffled-bands"}, {"queries": "residual"}),
    ("disenreason", LEARNED, {"pivot_input": "items"}, {"queries": "residual"}),
    ("disenreason", LEARNED, {"bands": 3}, {"queries": "residual"}),
    ("disenreason", LEARNED, {"pooling": "rms"}, {"queries": "residual"}),
    ("disenreason", LEARNED, {"residual": "project"}, {"queries": "residual"}),
    ("disenreason", {"pivot": "whole"}, {"bands": 3}, {"pivot": "bands"}),
    ("disenreason", {"pivot": "last"}, {"pooling": "mean"}, {"pivot": "whole"}),
    ("disenreason", {"fusion": "max"}, {"last_state": False}, {"fusion": "gate"}),
]


@pytest.mark.parametrize(("name", "without", "option", "within"), CASES)
def test_an_option_is_refused_where_it_changes_nothing(
    name: str, without: dict[str, Any], option: dict[str, Any], within: dict[str, Any]
) -> None:
    small = {key: size for key, size in SMALL.items() if key in MODELS.load(name).Config.model_fields}
    assert observed(name, small | without, {}) == observed(name, small | without, option)
    assert observed(name, small | within, {}) != observed(name, small | within, option)
    kind = MODELS.load(name)
    with pytest.raises(ValueError, match=f"^{next(iter(option))} has no effect, as .* Leave .*, or "):
        kind.Config.model_validate(without | option).check_effects(kind.default_stages)
    kind.Config.model_validate(without).check_effects(kind.default_stages)
    kind.Config.model_validate(within | option).check_effects(kind.default_stages)


@pytest.mark.parametrize(
    ("name", "without", "option", "within"),
    [
        ("bigrec-beam", {"ranking": "catalogue"}, {"beams": 4}, {"ranking": "beam"}),
        ("d3", {"ranking": "catalogue"}, {"beams": 4}, {"ranking": "beam"}),
        ("d3", {"language_weight": 1.0}, {"assistant_width": 32}, {"language_weight": 0.5}),
        ("bigrec-ground", {"correction": "none"}, {"assistant_width": 32}, {"correction": "collaborative"}),
        ("bigrec-ground", {"correction": "none"}, {"correction_weight": 0.5}, {"correction": "popularity"}),
        ("latentr3", {"latent": "constant"}, {"reach": 8}, {"latent": "attention"}),
        ("latentr3", {"advantage": "group"}, {"baseline_prompts": 3}, {"advantage": "baseline"}),
    ],
)
def test_a_language_models_option_is_refused_where_no_part_reads_it(
    name: str, without: dict[str, Any], option: dict[str, Any], within: dict[str, Any]
) -> None:
    """Only the refusal is tested: their effects would need a base model."""
    kind = MODELS.load(name)
    with pytest.raises(ValueError, match=f"^{next(iter(option))} has no effect, as .* Leave .*, or "):
        kind.Config.model_validate(without | option).check_effects(kind.default_stages)
    kind.Config.model_validate(without).check_effects(kind.default_stages)
    kind.Config.model_validate(within | option).check_effects(kind.default_stages)


def test_a_penalty_on_lengths_is_refused_where_titles_are_grounded() -> None:
    kind = MODELS.load("bigrec-ground")
    with pytest.raises(ValueError, match='take the model "bigrec-beam"'):
        kind.Config.model_validate({"length_penalty": 0.5}).check_effects(kind.default_stages)
    MODELS.load("bigrec-beam").Config.model_validate({"length_penalty": 0.5}).check_effects(("sft",))


def observed(name: str, params: dict[str, Any], option: dict[str, Any]) -> list[list[float]]:
    """Losses, gradients and scores of a model with an option, from the weights that it has without it."""
    kind = MODELS.load(name)
    configs = [kind.Config.model_validate(params | more) for more in ({}, option)]
    models = []
    for config in configs:
        torch.manual_seed(0)
        models.append(kind(config, N_ITEMS, MAX_LENGTH))
    plain, model = models
    weights = dict(model.named_parameters())
    shared = [
        key
        for key, weight in plain.named_parameters()
        if key in weights and weights[key].shape == weight.shape
    ]
    with torch.no_grad():
        for key in shared:
            weights[key].copy_(plain.get_parameter(key))
    found: list[Tensor] = []
    for stage_name in model.default_stages:
        found += taught(model, stage_name)
        found += [weights[key].grad for key in shared if weights[key].grad is not None]
    model.eval()
    sequences, depth = pack_lists(random_histories(6)), kind.configured_depth(model.config)
    with torch.no_grad():
        found.append(model.score(model.encode(sequences, (depth,), torch.Generator().manual_seed(1))[0]))
    return [each.flatten().tolist() for each in found]


def taught(model: Model, stage_name: str) -> list[Tensor]:
    """Compute the losses of one batch and their gradients. Return the losses."""
    stage = model.stages[stage_name](model)
    assert isinstance(stage, GradientStage)
    data = TrainingData(training_view(random_histories(16, shortest=2)), MAX_LENGTH, stage.training_rows())
    torch.manual_seed(2)
    keep = stage.begin(data, CPU)
    stage.begin_epoch(1)
    model.train()
    (batch,) = data.batches(data.n_targets, CPU, keep=keep)
    terms = stage.losses(batch)
    terms["loss"].backward()  # type: ignore[no-untyped-call]
    return list(terms.values())
