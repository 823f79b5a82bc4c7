"""What controls are derived, and how well matched ones match."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from plans import suite
from small_data import LARES, leave_one_out, small_dataset
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lrbench.config.controls import CONTROLS
from lrbench.data.batches import TrainingData, evaluation_batches
from lrbench.data.sequences import Sequences
from lrbench.errors import RequestError
from lrbench.evaluation.cost import encoder_flops
from lrbench.execution.fitted_rows import match_rows
from lrbench.execution.plan import make_plan
from lrbench.execution.planning.controls import TOLERANCE
from lrbench.execution.rows import Row, resolve_rows
from lrbench.models.latent.lares.network import LARESNetwork
from lrbench.models.latent.rearec.erl import ERL
from lrbench.models.reasoning import ReasoningModel, Recipe, Sizes
from lrbench.registry import MODELS

CPU = torch.device("cpu")

REASONING = {
    "lares": LARES,
    "erl": {"width": 16, "inner_width": 32, "temperature": 1.0},
    "prl": {"width": 16, "inner_width": 32, "temperature": 1.0},
    "plr": {"width": 16, "inner_width": 32},
    "latent-rl": {"width": 16, "inner_width": 32},
    "recurrence": {"width": 16, "inner_width": 32},
    "mancar": {"width": 16, "inner_width": 32},
    "diffureason": {"width": 16, "inner_width": 32},
    "disenreason": {"width": 16, "inner_width": 32},
}


def rows(model: str, **entry: Any) -> dict[str, Row]:
    table = {"label": "R", "model": model, "params": REASONING[model], "controls": "all"} | entry
    return {row.label: row for row in resolve_rows(suite(table))}


def test_every_control_is_a_row_behind_its_model() -> None:
    labels = ["R", *(f"R: {control.replace('-', ' ')}" for control in CONTROLS)]
    assert list(rows("lares")) == labels
    record = make_plan(suite({"label": "R", "model": "lares", "controls": ["noise-only"]}), (), {}).record
    assert record.controls == {}
    controlled = rows("lares")["R: noise only"].control
    assert controlled is not None
    assert (controlled.of, controlled.control) == ("R", "noise-only")


def test_a_control_that_reads_noise_has_no_latent_state_to_replace() -> None:
    table = {"label": "R", "model": "lares", "params": REASONING["lares"], "controls": ["noise-only"]}
    made = resolve_rows(suite(table, evaluation={"interventions": ["zero"], "draws": 3}))
    evaluations = [row.evaluation for row in made]
    assert [(each.latents, each.interventions) for each in evaluations] == [("own", ("zero",)), ("noise", ())]
    assert evaluations[1].draws == 3


def test_what_lares_becomes() -> None:
    found = rows("lares")
    stages = {label: [stage.name for stage in row.stages] for label, row in found.items()}
    nothing = found["R: no reasoning"]
    assert (nothing.model_name, nothing.params["mean_depth"], stages["R: no reasoning"]) == (
        "lares",
        0,
        ["spt"],
    )
    assert nothing.params["alpha"] == found["R"].params["alpha"]
    assert nothing.evaluation.depths == (0,)
    plain = found["R: parameter matched"]
    assert (plain.model_name, plain.params["layers"], plain.params["width"]) == ("sasrec", 2, 16)
    same = found["R: loss matched"].params
    assert (same["mean_depth"], same["start"], same["step_sampler"]) == (1, "zero", "constant")
    noise = found["R: noise only"]
    assert (noise.params, noise.stages) == (found["R"].params, found["R"].stages)
    assert (noise.evaluation.latents, found["R"].evaluation.latents) == ("noise", "own")


@pytest.mark.parametrize(
    "model", [pytest.param(model, marks=() if model == "lares" else pytest.mark.slow) for model in REASONING]
)
def test_matched_networks_match_within_five_percent(model: str) -> None:
    found = match_rows(tuple(rows(model).values()), small_dataset())
    matched = [row for row in found if row.match is not None]
    assert [row.label for row in matched] == ["R: parameter matched", "R: flops matched"]
    for row in matched:
        assert row.match is not None
        assert abs(row.match.reached / row.match.target - 1) <= TOLERANCE
        assert row.depth == 0
    if model == "lares":  # it has two blocks and runs one of them twice, so it does the work of three
        assert matched[0].params["layers"] == 2
        assert matched[1].params["layers"] == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "blocks",
    [
        {"backbone": "fmlp"},
        {"backbone": "bsarec", "inner_width": 128},
        {"backbone": "hstu"},
        {"similarity": "cos", "inner_width": 128},
    ],
)
def test_networks_of_other_blocks_and_scores_than_sasrecs_are_matched_by_their_own(
    blocks: dict[str, Any],
) -> None:
    chosen = {"width": 64, "heads": 2, "adapter": "concat", **blocks}
    found = rows("lares", params=chosen, controls=["parameter-matched", "flops-matched"])
    for row in match_rows(tuple(found.values()), small_dataset(users=30))[1:]:
        assert (row.model_name, row.depth, [stage.name for stage in row.stages]) == (
            "lares",
            0,
            ["supervised"],
        )
        kind = "similarity" if "similarity" in blocks else "backbone"
        assert row.params[kind] == blocks[kind]
        assert row.match is not None
        assert abs(row.match.reached / row.match.target - 1) <= TOLERANCE


@pytest.mark.slow
def test_reasoners_on_hstu_blocks_are_matched_by_their_width() -> None:
    """HSTU blocks have no inner width that could be varied."""
    chosen = {"width": 32, "heads": 2, "backbone": "hstu"}
    found = rows("erl", params=chosen, controls=["parameter-matched", "flops-matched"])
    matched = match_rows(tuple(found.values()), small_dataset(users=30))[1:]
    assert len(matched) == 2
    for row in matched:
        assert (row.model_name, row.params["backbone"], row.depth) == ("recurrence", "hstu", 0)
        assert row.match is not None
        assert abs(row.match.reached / row.match.target - 1) <= TOLERANCE


@pytest.mark.parametrize("backbone", ["sasrec", pytest.param("hstu", marks=pytest.mark.slow)])
def test_a_reasoner_that_scores_by_cosines_is_matched_by_a_network_that_does(backbone: str) -> None:
    chosen = {"width": 64, "backbone": backbone, "scores": "cosine", "temperature": 0.1}
    found = rows("diffureason", params=chosen, controls=["parameter-matched", "flops-matched"])
    own, *matched = match_rows(tuple(found.values()), small_dataset(users=30))
    for row in matched:
        assert (row.model_name, row.depth, [stage.name for stage in row.stages]) == (
            "diffureason",
            0,
            ["supervised"],
        )
        assert row.params["sampler_steps"] == row.params["policy_weight"] == 0
        assert row.match is not None
        assert row.match.reached / row.match.target == pytest.approx(1, abs=TOLERANCE)
        for each in (own, row):
            vectors = each.model(each.config, 40, 20).item_vectors()
            lengths = vectors.norm(dim=-1) * each.params["width"] ** 0.5
            torch.testing.assert_close(lengths, torch.full_like(lengths, 10.0))  # 1 / temperature


def test_a_reasoner_that_is_told_the_members_is_matched_by_a_network_that_is() -> None:
    chosen = REASONING["disenreason"] | {"membership": "known"}
    table = {"label": "R", "model": "disenreason", "params": chosen}
    resolved = suite(table | {"controls": ["parameter-matched", "flops-matched"]}, protocol="shared-merge")
    for row in match_rows(resolve_rows(resolved), small_dataset(users=60))[1:]:
        assert (row.model_name, row.params["membership"], row.depth) == ("disenreason", "known", 0)
        assert row.match is not None
        assert row.match.reached / row.match.target == pytest.approx(1, abs=TOLERANCE)
    told, plain = (
        MODELS.load("disenreason").Config.model_validate(REASONING["disenreason"] | {"membership": each})
        for each in ("known", "latent")
    )
    kinds = [MODELS.load("disenreason").without_recurrence(config).model for config in (told, plain)]
    assert kinds == [None, "sasrec"]


def test_a_width_without_effect_is_no_match_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in may name a width that changes nothing: FMLP's blocks have no inner width."""
    inert = {"width": 64, "heads": 2, "backbone": "fmlp", "pre_layers": 0, "core_layers": 1}
    found = rows("lares", params=inert, controls=["parameter-matched"])
    recipe = LARESNetwork.without_recurrence(found["R"].config)
    by_inner = replace(recipe, sizes=Sizes("pre_layers", "inner_width"))
    monkeypatch.setattr(LARESNetwork, "without_recurrence", classmethod(lambda cls, config: by_inner))
    wide = rows("lares", params=inert | {"adapter": "concat"}, controls=["parameter-matched"])
    with pytest.raises(RequestError, match="No parameter-matched network was found"):
        match_rows(tuple(wide.values()), small_dataset(users=30))


@pytest.mark.slow
def test_matched_operations_match_for_all_users_as_they_are_ranked() -> None:
    """The first users have long histories here, for which reasoning is a small part of the operations."""
    dataset = small_dataset(users=60)
    flat, ends = [], [0]
    for length in [19] * 260 + [4] * 800:
        flat += [item % dataset.sequences.n_items for item in range(length)]
        ends.append(len(flat))
    sequences = Sequences(np.array(flat, np.int32), np.array(ends), None, dataset.sequences.n_items)
    table = {"params": {"width": 64, "streams": 4}, "controls": ["flops-matched"]}
    own, control = match_rows(tuple(rows("plr", **table).values()), replace(dataset, sequences=sequences))
    view = leave_one_out(sequences).test
    view = view.reordered(np.argsort(view.stops - view.starts, kind="stable"))
    counts = []
    for row in (own, control):
        model = row.model(row.config, view.n_items, 20).eval()
        with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            for _, histories in evaluation_batches(view, 20, 128, torch.device("cpu")):
                model.encode(histories, (row.depth,), None)
        counts.append(counter.get_total_flops())
    assert counts[1] / counts[0] == pytest.approx(1, abs=TOLERANCE)


def test_matched_operations_count_context_tokens() -> None:
    """ManCAR reads neighbours of recent items. An untrained one has no graph, so it would read none."""
    dataset = small_dataset(users=60)
    table = {"params": REASONING["mancar"] | {"steps": 6}, "controls": ["flops-matched"]}
    own, control = match_rows(tuple(rows("mancar", **table).values()), dataset)
    parts = leave_one_out(dataset.sequences)
    counts = []
    for row in (own, control):
        model = row.model(row.config, parts.test.n_items, 20)
        for stage in row.stages:
            model.stages[stage.name](model).begin(TrainingData(parts.train, 20, "prefixes"), CPU)
        counts.append(encoder_flops(model, parts.test, row.depth, CPU))
    assert control.match is not None
    assert counts == [control.match.target, control.match.reached]
    assert counts[1] / counts[0] == pytest.approx(1, abs=TOLERANCE)
    assert control.params["context_items"] == own.params["context_items"] == 4


def test_plr_loses_its_steps_alone_or_has_passes_in_their_place() -> None:
    found = rows("plr")
    own, nothing, same = (found[label] for label in ("R", "R: no reasoning", "R: loss matched"))
    assert nothing.params == own.params | {"steps": 0}
    assert same.params == own.params | {"chain": "views"}
    assert (nothing.depth, same.depth) == (0, 0)


@pytest.mark.parametrize(
    ("stages", "left"),
    [(["supervised"], ["supervised"]), (["supervised", "rpt"], ["supervised"]), (["spt", "rpt"], ["spt"])],
)
def test_controls_train_in_the_stages_of_their_model(stages: list[str], left: list[str]) -> None:
    found = rows("lares", stages=stages)
    for control in ("no reasoning", "loss matched"):
        assert [stage.name for stage in found[f"R: {control}"].stages] == left


@pytest.mark.parametrize("model", list(REASONING))
def test_a_model_that_inherits_its_recipes_is_its_own_control(model: str) -> None:
    row = rows(model)["R"]
    assert issubclass(row.model, ReasoningModel)
    assert row.model.without_reasoning(row.config).model is None
    assert row.model.same_losses(row.config).model is None


def test_grid_rows_have_controls_of_their_own() -> None:
    table = {"label": "R {steps}", "model": "erl", "grid": {"steps": [1, 2]}, "controls": ["no-reasoning"]}
    labels = [row.label for row in resolve_rows(suite(table))]
    assert labels == ["R 1", "R 1: no reasoning", "R 2", "R 2: no reasoning"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"model": "sasrec", "controls": "all"}, "does not reason"),
        ({"model": "plr", "params": {"chain": "views"}, "controls": "all"}, "takes no reasoning steps"),
        ({"model": "erl", "params": {"steps": 0}, "controls": "all"}, "takes no reasoning steps"),
    ],
)
def test_wrong_requests(table: dict[str, Any], message: str) -> None:
    with pytest.raises((RequestError, ValueError), match=message):
        resolve_rows(suite({"label": "R", **table}))


@pytest.mark.parametrize(
    ("method", "recipe", "message"),
    [
        ("without_reasoning", Recipe({"steps": 2}), "the control no-reasoning takes 2 reasoning steps"),
        ("without_recurrence", Recipe({"steps": 2}), "the control parameter-matched takes 2 reasoning steps"),
        ("without_recurrence", Recipe({"steps": 0}, sizes=Sizes(layers="blocks")), 'option "blocks"'),
        ("without_recurrence", Recipe({"steps": 0}, sizes=Sizes(inner="inside")), 'option "inside"'),
        ("without_reasoning", {"steps": 0}, "ERL.without_reasoning returned no recipe"),
        ("same_losses", None, "ERL.same_losses returned no recipe"),
    ],
)
def test_a_recipe_that_is_no_control_is_refused(
    monkeypatch: pytest.MonkeyPatch, method: str, recipe: object, message: str
) -> None:
    """A plug-in's author may write such recipes. A control that reasons would isolate nothing."""
    monkeypatch.setattr(ERL, method, classmethod(lambda cls, config: recipe))
    with pytest.raises(RequestError, match=message):
        rows("erl")


@pytest.mark.parametrize("control", ["parameter-matched", "flops-matched"])
def test_layers_without_effect_are_no_match_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, control: str
) -> None:
    inert = Recipe({"width": 16, "inner_width": 32}, model="sasrec", sizes=Sizes(layers="heads"))
    monkeypatch.setattr(ERL, "without_recurrence", classmethod(lambda cls, config: inert))
    found = rows("erl", controls=[control])
    with pytest.raises(RequestError, match='The option "heads" of sasrec does not change its'):
        match_rows(tuple(found.values()), small_dataset(users=30))
