"""What controls are derived, and how well matched ones match."""

from typing import Any

import pytest
from execution.test_plan import suite
from small_data import LARES, small_dataset

from lrbench.config.controls import CONTROLS
from lrbench.config.protocol import protocol
from lrbench.errors import RequestError
from lrbench.execution.controls import TOLERANCE
from lrbench.execution.plan import Row, make_plan, match_rows, resolve_rows

REASONING = {
    "lares": LARES,
    "erl": {"width": 16, "inner_width": 32, "temperature": 1.0},
    "prl": {"width": 16, "inner_width": 32, "temperature": 1.0},
    "plr": {"width": 16, "inner_width": 32},
    "latent-rl": {"width": 16, "inner_width": 32},
    "recurrence": {"width": 16, "inner_width": 32},
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


@pytest.mark.parametrize("model", list(REASONING))
def test_matched_networks_match_within_five_percent(model: str) -> None:
    found = match_rows(tuple(rows(model).values()), small_dataset(), protocol("loo-20"))
    matched = [row for row in found if row.match is not None]
    assert [row.label for row in matched] == ["R: parameter matched", "R: flops matched"]
    for row in matched:
        assert row.match is not None
        assert abs(row.match.reached / row.match.target - 1) <= TOLERANCE
        assert row.depth == 0
    if model == "lares":  # two blocks, one of them twice: three blocks' worth of work
        assert matched[0].params["layers"] == 2
        assert matched[1].params["layers"] == 3


def test_grid_rows_have_controls_of_their_own() -> None:
    table = {"label": "R {steps}", "model": "erl", "grid": {"steps": [1, 2]}, "controls": ["no-reasoning"]}
    labels = [row.label for row in resolve_rows(suite(table))]
    assert labels == ["R 1", "R 1: no reasoning", "R 2", "R 2: no reasoning"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"model": "sasrec", "controls": "all"}, "does not reason"),
        ({"model": "lares", "controls": ["no-reasonin"]}, 'Did you mean "no-reasoning"'),
    ],
)
def test_wrong_requests(table: dict[str, Any], message: str) -> None:
    with pytest.raises((RequestError, ValueError), match=message):
        resolve_rows(suite({"label": "R", **table}))
