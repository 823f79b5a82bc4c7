from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plans import plan, suite
from small_data import small_dataset

from lrbench.config.rerun import Rerun
from lrbench.errors import RequestError
from lrbench.execution.fitted_rows import match_rows
from lrbench.execution.plan import make_plan
from lrbench.execution.rows import resolve_rows
from lrbench.execution.selection import select_trials
from lrbench.store.layout import Results
from lrbench.store.suites import merged

SASREC = {"label": "SASRec", "model": "sasrec"}
LARES = {"label": "LARES", "model": "lares"}


def test_every_label_dataset_and_seed_is_a_trial() -> None:
    made = plan(SASREC, LARES, datasets=("a", "b"))
    assert len(made.trials) == 8
    assert len({trial.config.id for trial in made.trials}) == 8
    assert {(c.label, c.dataset, c.seed) for c in made.record.trials} == {
        (label, dataset, seed) for label in ("SASRec", "LARES") for dataset in "ab" for seed in (1, 2)
    }


def test_a_model_without_randomness_is_trained_once() -> None:
    made = plan({"label": "Popularity", "model": "popularity"})
    assert [(cell.label, cell.seed) for cell in made.record.trials] == [("Popularity", 0)]


def test_several_labels_and_patterns_choose_what_runs(tmp_path: Path) -> None:
    made = plan(SASREC, LARES, {"label": "Popularity", "model": "popularity"})
    chosen = select_trials(made, Results(tmp_path), ["SAS*", "Popularity"], Rerun.missing)
    assert sorted(trial.labels for trial in chosen) == [("Popularity",), ("SASRec",), ("SASRec",)]


def test_equal_rows_share_one_trial_under_both_labels() -> None:
    grid = {"label": "depth {mean_depth}", "extends": "LARES", "grid": {"mean_depth": [2, 4]}}
    made = plan(LARES, grid, seeds=[1])
    assert [trial.labels for trial in made.trials] == [("LARES", "depth 4"), ("depth 2",)]
    assert len(made.record.trials) == 3


def test_two_suites_share_a_trial_whatever_they_call_it() -> None:
    one = plan(SASREC, name="one")
    two = plan({"label": "baseline", "model": "sasrec", "params": {"layers": 2}}, name="two")
    assert [t.config.id for t in one.trials] == [t.config.id for t in two.trials]


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"dropout": 0.1}},
        {"training": {"learning_rate": 0.1}},
        {"training": {"stages": {"supervised": {"patience": 3}}}},
    ],
)
def test_whatever_shapes_the_result_shapes_the_id(change: dict[str, Any]) -> None:
    assert plan(SASREC).trials[0].config.id != plan(SASREC | change).trials[0].config.id


def test_other_data_and_another_protocol_give_other_ids() -> None:
    resolved = suite(SASREC)
    rows = resolve_rows(resolved)
    ids = {make_plan(resolved, rows, {"a": mark}).trials[0].config.id for mark in ("x", "y")}
    assert len(ids | {plan(SASREC, protocol="loo-50").trials[0].config.id}) == 3


def test_stage_settings_stand_in_their_order() -> None:
    row = LARES | {"training": {"stages": {"rpt": {"max_epochs": 7}}}}
    fields = {"training": {"learning_rate": 0.5, "max_epochs": 9, "stages": {"rpt": {"patience": 2}}}}
    stages = {stage.name: stage.training for stage in plan(row, **fields).trials[0].config.stages}
    assert (stages["spt"].learning_rate, stages["spt"].max_epochs, stages["spt"].patience) == (0.5, 9, 10)
    # The authors' learning rate of RPT overrides the suite's. Settings of the stage override both.
    assert (stages["rpt"].learning_rate, stages["rpt"].max_epochs, stages["rpt"].patience) == (5e-4, 7, 2)


def test_the_row_decides_about_its_stages_and_the_suite_about_what_it_leaves_open() -> None:
    of_suite = {"stages": {"supervised": {"learning_rate": 0.1, "batch_size": 64}}}
    own = {"stages": {"supervised": {"learning_rate": 0.2}}}
    (trial, _) = plan(SASREC | {"training": own}, training=of_suite).trials
    (stage,) = trial.config.stages
    assert (stage.training.learning_rate, stage.training.batch_size) == (0.2, 64)


def test_reasoning_models_are_ranked_at_depths_up_to_8_and_at_their_own() -> None:
    deep = LARES | {"params": {"mean_depth": 12}}
    assert plan(deep).trials[0].config.evaluation.depths == (*range(9), 12)
    assert plan(SASREC).trials[0].config.evaluation.depths == (0,)
    declared = plan(LARES, evaluation={"depths": [1, 16], "draws": 8}).trials[0].config.evaluation
    assert (declared.depths, declared.draws) == ((1, 4, 16), 8)


def test_draws_are_for_models_that_infer_with_noise() -> None:
    silent = LARES | {"params": {"start": "zero"}}
    assert plan(silent, evaluation={"draws": 8}).trials[0].config.evaluation.draws == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": "x", "model": "sasrek"}, 'no model "sasrek".*Did you mean "sasrec"'),
        (SASREC | {"params": {"droput": 0.1}}, 'unknown option "droput".*Did you mean "dropout"'),
        (SASREC | {"params": {"heads": 3}}, "heads = 3"),
        (SASREC | {"stages": ["spt"]}, 'no stage "spt".*supervised'),
        (SASREC | {"stages": []}, "no stage is left"),
        (SASREC | {"training": {"patiense": 3}}, 'unknown option "patiense".*Did you mean "patience"'),
        (SASREC | {"training": {"max_epochs": 0}}, "max_epochs"),
        (SASREC | {"training": {"stages": {"supervized": {}}}}, "no model of the suite has this stage"),
        (SASREC | {"training": {"stages": 3}}, "no table of tables|not a table of tables"),
    ],
)
def test_wrong_rows_are_refused_before_anything_trains(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        plan(row)


DIFFUREASON = {"label": "x", "model": "diffureason"}
SHUFFLED = DIFFUREASON | {"params": {"shuffled_advantages": True}}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (SASREC | {"params": {"negatives": 512}}, 'negatives has no effect, as loss = "cross_entropy"'),
        (SASREC | {"params": {"shared_negatives": True}}, "shared_negatives has no effect"),
        (SASREC | {"params": {"loss": "bce", "calibration": 0.5}}, 'no effect, as loss = "bce" has none'),
        (
            {"label": "x", "model": "hstu", "params": {"loss": "cross_entropy", "negatives": 512}},
            "negatives has no effect",
        ),
        (SHUFFLED | {"stages": ["supervised"]}, "shuffled_advantages has no effect"),
        (
            DIFFUREASON | {"params": {"shuffled_advantages": True, "policy_weight": 0.0}},
            "shuffled_advantages has no effect",
        ),
    ],
)
def test_options_without_effect_are_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        plan(row)
    assert str(refused.value).count("Leave") == 1


@pytest.mark.parametrize(
    "row",
    [
        SASREC | {"params": {"loss": "gbce", "calibration": 0.5, "negatives": 8}},
        {"label": "x", "model": "hstu", "params": {"loss": "cross_entropy"}},  # its own default of negatives
        SHUFFLED | {"stages": ["supervised", "grpo"]},
        SHUFFLED | {"controls": ["no-reasoning", "loss-matched"]},  # a control keeps options of its model
    ],
)
def test_options_with_an_effect_are_not(row: dict[str, Any]) -> None:
    assert plan(row).trials


def test_an_option_may_be_searched_together_with_the_one_that_it_depends_on() -> None:
    space = {"loss": ["cross_entropy", "sampled_softmax"], "negatives": [8, 64]}
    searching = suite(SASREC | {"params": {"negatives": 16}, "search": space}, tune={"trials": 4, "seed": 9})
    assert resolve_rows(searching)[0].space.keys() == space.keys()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([SASREC, SASREC], '"SASRec" is used twice'),
        ([SASREC | {"grid": {"layers": [1, 2]}}], '"SASRec" is used twice'),
        ([SASREC | {"grid": {"layer": [1, 2]}}], 'unknown option "layer".*Did you mean "layers"'),
        (
            [{"label": "{layers}", "model": "sasrec", "params": {"layers": 2}, "grid": {"layer": [1, 2]}}],
            'unknown option "layer".*Did you mean "layers"',
        ),
        (
            [SASREC | {"grid": {"training.patiense": [1, 2]}}],
            'unknown option "patiense".*Did you mean "patience"',
        ),
    ],
)
def test_labels_must_differ_once_options_are_known(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        plan(*rows)


def test_a_suite_grows_by_datasets_and_seeds_while_its_rows_mean_the_same() -> None:
    first, second = plan(SASREC, seeds=[1]).record, plan(SASREC, seeds=[2], datasets=("b",)).record
    both = merged(second, first)
    assert (both.datasets, both.seeds) == (("a", "b"), (1, 2))
    assert {(cell.dataset, cell.seed) for cell in both.trials} == {("a", 1), ("b", 2)}


def test_a_dataset_may_have_seeds_of_its_own() -> None:
    popularity = {"label": "P", "model": "popularity"}
    record = plan(
        SASREC, popularity, datasets=("a", "b"), seeds=[1, 2, 3], dataset_seeds={"a": [7, 8]}
    ).record
    assert [cell.seed for cell in record.trials if (cell.dataset, cell.label) == ("a", "SASRec")] == [7, 8]
    assert [cell.seed for cell in record.trials if (cell.dataset, cell.label) == ("b", "SASRec")] == [1, 2, 3]
    assert [(cell.dataset, cell.seed) for cell in record.trials if cell.label == "P"] == [("a", 0), ("b", 0)]
    assert (record.seeds_for("a"), record.seeds_for("b")) == ((7, 8), (1, 2, 3))
    part = plan(SASREC, datasets=("b",), seeds=[1, 2, 3], dataset_seeds={"a": [7, 8]}).record
    assert part.dataset_seeds == {}


def test_more_seeds_for_a_dataset_that_has_its_own_are_added_to_them() -> None:
    first = plan(SASREC, datasets=("a", "b"), seeds=[1, 2], dataset_seeds={"a": [1]}).record
    both = merged(plan(SASREC, datasets=("a",), seeds=[5]).record, first)
    assert (both.seeds_for("a"), both.seeds_for("b")) == ((1, 5), (1, 2, 5))
    assert merged(plan(SASREC, datasets=("b",), seeds=[2]).record, first).seeds_for("a") == (1,)


def test_trials_on_data_that_were_fetched_again_take_the_place_of_the_older_ones() -> None:
    rows = resolve_rows(suite(SASREC))
    older, newer = (make_plan(suite(SASREC), rows, {"a": print_}).record for print_ in ("f00d", "beef"))
    assert older.definition == newer.definition
    assert merged(newer, older).trials == newer.trials != older.trials


def test_an_edited_suite_starts_afresh() -> None:
    edited = plan(SASREC | {"params": {"layers": 1}}, datasets=("b",)).record
    assert merged(edited, plan(SASREC).record) == edited


def test_a_row_that_needs_times_is_refused_where_there_are_none() -> None:
    rows = resolve_rows(suite(SASREC, {"label": "timed", "model": "hstu", "params": {"time_bias": True}}))
    untimed = small_dataset()
    assert untimed.sequences.times is None
    with pytest.raises(RequestError, match='"timed" needs times of the interactions, and walks has none'):
        match_rows(rows, untimed)
    assert match_rows(rows[:1], untimed) == rows[:1]
    times = np.arange(len(untimed.sequences.items))
    timed = replace(untimed, sequences=replace(untimed.sequences, times=times))
    assert match_rows(rows, timed) == rows
