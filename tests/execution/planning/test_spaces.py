"""What rows search, and which requests are refused before anything runs."""

from typing import Any

import pytest
from plans import plan, suite

from lrbench.config.tuning import Choice, Range
from lrbench.errors import RequestError
from lrbench.execution.plan import make_plan
from lrbench.execution.rows import Row, resolve_rows, tuned_rows
from lrbench.execution.searches import plan_searches

SASREC = {"label": "SASRec", "model": "sasrec"}
LARES = {"label": "LARES", "model": "lares", "search": {"mean_depth": {"low": 1, "high": 4}}}
COUNTS = {"label": "counts", "model": "popularity"}
TUNE = {
    "trials": 5,
    "seed": 9,
    "space": {
        "dropout": [0.1, 0.3],
        "training": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
    },
}


def rows(*models: dict[str, Any], **tune: Any) -> dict[str, Row]:
    return {row.label: row for row in resolve_rows(suite(*models, tune=TUNE | tune))}


def test_shared_options_are_searched_by_the_rows_that_have_them() -> None:
    found = rows(SASREC, LARES, COUNTS)
    rate = Range(low=1e-4, high=1e-2, log=True)
    shared = {"dropout": Choice(values=(0.1, 0.3)), "training.learning_rate": rate}
    assert found["SASRec"].space == shared
    assert found["LARES"].space == shared | {"mean_depth": Range(low=1, high=4, whole=True)}
    assert found["counts"].space == {}


def test_a_row_keeps_its_settings_where_it_says_so_or_its_grid_sets_them() -> None:
    as_published = SASREC | {"label": "as published", "tune": False}
    grid = {"label": "dropout {dropout}", "extends": "SASRec", "grid": {"dropout": [0.0, 0.2]}}
    found = rows(SASREC, as_published, grid)
    assert found["as published"].space == {}
    assert list(found["dropout 0.2"].space) == ["training.learning_rate"]


def test_controls_inherit_what_was_chosen_for_their_model() -> None:
    made = suite(SASREC, LARES | {"controls": ["no-reasoning", "noise-only"]}, tune=TUNE)
    chosen = {"LARES": ("search-x", {"mean_depth": 2, "dropout": 0.3, "training.learning_rate": 5e-3})}
    found = {row.label: row for row in tuned_rows(made, chosen)}
    for label in ("LARES", "LARES: no reasoning", "LARES: noise only"):
        assert found[label].search == "search-x"
        assert found[label].params["dropout"] == 0.3
        assert {stage.training.learning_rate for stage in found[label].stages} == {5e-3}
    assert found["LARES"].depth == 2
    assert found["SASRec"].search is None


def test_controls_without_steps_may_have_a_search_of_their_own() -> None:
    """Matched controls have a size only after their model was tuned, and noise-only is the model itself."""
    kinds = ["no-reasoning", "loss-matched", "flops-matched", "noise-only"]
    made = suite(LARES | {"controls": kinds}, tune=TUNE | {"controls": "own"})
    planned = resolve_rows(made)
    assert [row.label for row in planned if row.space] == [
        "LARES",
        "LARES: no reasoning",
        "LARES: loss matched",
    ]
    assert set(planned[1].space) == {"dropout", "training.learning_rate"}
    searches = {label: each for each in plan_searches(made, planned, {"a": "print"}) for label in each.labels}
    assert searches["LARES: no reasoning"].config.trials == searches["LARES"].config.trials == 5
    chosen = {
        "LARES": ("search-x", {"mean_depth": 2, "dropout": 0.3, "training.learning_rate": 5e-3}),
        "LARES: no reasoning": ("search-y", {"dropout": 0.1, "training.learning_rate": 2e-3}),
    }
    found = {row.label: row for row in tuned_rows(made, chosen)}
    searched = {label: row.search for label, row in found.items()}
    assert searched == {
        "LARES": "search-x",
        "LARES: no reasoning": "search-y",
        "LARES: loss matched": None,
        "LARES: flops matched": "search-x",
        "LARES: noise only": "search-x",
    }
    alone = found["LARES: no reasoning"]
    assert (alone.depth, alone.params["dropout"]) == (0, 0.1)
    assert {stage.training.learning_rate for stage in alone.stages} == {2e-3}
    # Its trial is the same before its model was tuned, so it need not wait for that.
    early = {row.label: row for row in tuned_rows(made, {k: v for k, v in chosen.items() if k != "LARES"})}
    assert early[alone.label].trial("a", "print", 1) == alone.trial("a", "print", 1)


@pytest.mark.parametrize("own", [{"tune": False}, {"settings_of": "first"}])
def test_controls_of_a_row_that_is_not_tuned_itself_have_no_search(own: dict[str, Any]) -> None:
    first = LARES | {"label": "first"}
    second = {"label": "LARES", "model": "lares", "controls": ["no-reasoning"], **own}
    planned = resolve_rows(suite(first, second, tune=TUNE | {"controls": "own"}))
    assert [row.label for row in planned if row.space] == ["first"]


def test_a_row_takes_the_settings_of_another_but_for_what_it_sets_itself() -> None:
    both = {
        "label": "LARES both",
        "extends": "LARES",
        "settings_of": "LARES",
        "stages": ["spt", "rpt"],
        "params": {"dropout": 0.2},
        "training": {"stages": {"rpt": {"learning_rate": 1e-4}}},
    }
    depths = {"label": "depth {mean_depth}", "extends": "LARES both", "grid": {"mean_depth": [1, 3]}}
    made = suite(LARES | {"stages": ["spt"]}, both, depths, tune=TUNE)
    planned = resolve_rows(made)
    assert [bool(row.space) for row in planned] == [True, False, False, False]
    (search,) = plan_searches(made, planned, {"a": "print"})
    assert search.labels == ("LARES", "LARES both", "depth 1", "depth 3")
    settings = {"mean_depth": 2, "dropout": 0.3, "training.learning_rate": 5e-3}
    chosen = dict.fromkeys(search.labels, (search.config.id, settings))
    found = {row.label: row for row in tuned_rows(made, chosen)}
    assert {row.search for row in found.values()} == {search.config.id}
    assert [row.depth for row in found.values()] == [2, 2, 1, 3]
    assert [row.params["dropout"] for row in found.values()] == [0.3, 0.2, 0.2, 0.2]
    assert [stage.training.learning_rate for stage in found["depth 3"].stages] == [5e-3, 1e-4]


def test_a_tuned_trial_is_another_one_and_the_search_is_shared() -> None:
    twin = SASREC | {"label": "the same"}
    made = suite(SASREC, twin, COUNTS, tune=TUNE)
    (search,) = plan_searches(made, resolve_rows(made), {"a": "print"})
    assert search.labels == ("SASRec", "the same")
    tuned = tuned_rows(made, {"SASRec": (search.config.id, {"dropout": 0.1})})
    trial, untuned = (row.trial("a", "print", 1) for row in tuned[:2])
    assert trial.search == search.config.id
    assert trial.id != untuned.model_copy(update={"params": trial.params}).id


@pytest.mark.parametrize(
    "change", [{"trials": 6}, {"users": 10}, {"sampler": "random"}, {"space": {"dropout": [0, 0.1]}}]
)
def test_another_budget_or_space_is_another_search_and_another_suite(change: dict[str, Any]) -> None:
    made = [suite(SASREC, tune=TUNE | more) for more in ({}, change)]
    ids = [plan_searches(each, resolve_rows(each), {"a": "print"})[0].config.id for each in made]
    assert ids[0] != ids[1]
    definitions = [make_plan(each, resolve_rows(each), {}).record.definition for each in made]
    assert definitions[0] != definitions[1]


def test_epochs_before_pruning_decide_nothing_where_nothing_is_pruned() -> None:
    """The search keeps the id that it had before there was such an option."""
    made = suite(SASREC, tune=TUNE | {"pruning": "none"})
    (search,) = plan_searches(made, resolve_rows(made), {"a": "print"})
    assert search.config.warm_up == 0
    assert "warm_up" not in search.config._identity()


def test_a_suite_that_does_not_tune_is_what_it_was() -> None:
    assert plan(SASREC).record.searches == ()
    assert "search" not in plan(SASREC).trials[0].config._identity()


@pytest.mark.parametrize(
    ("models", "tune", "message"),
    [
        ([SASREC], {"trials": 0}, "trials = 0, but it must be at least 1"),
        ([SASREC], {"trials": 1001}, "at most 1,000"),
        ([SASREC], {"seed": 2}, "The seed 2 is used for tuning and is among the final seeds"),
        ([SASREC], {"seed": 0, "finalists": 2}, "The seed 1 is used for tuning and is among the final seeds"),
        ([SASREC | {"tune": False}], {}, "every row says tune = false"),
        ([SASREC], {"finalist_runs": 3}, "finalist_runs needs finalists"),
        ([SASREC], {"warm_up": 5, "pruning": "none"}, "warm_up needs pruning"),
        ([SASREC], {"space": {}}, "no row has an option to search"),
        ([COUNTS], {"space": {"dropout": [0.1, 0.2]}}, "no row that is tuned has an option dropout"),
        ([SASREC], {"space": {"dropuot": [0.1, 0.2]}}, "no row that is tuned has an option dropuot"),
        ([SASREC], {"space": {"dropout": []}}, "at least 2 values"),
        ([SASREC], {"space": {"dropout": 0.1}}, "neither a list of values nor a range"),
        ([SASREC], {"space": {"dropout": {"low": 0.5, "high": 0.1}}}, "low must be below high"),
        ([SASREC], {"space": {"dropout": {"low": 0, "high": 0.5, "log": True}}}, "must begin above 0"),
        ([SASREC], {"space": {"dropout": {"low": 0.1}}}, '"high" is missing'),
        ([SASREC], {"space": {"dropout": {"low": 0.1, "high": 7.0}}}, "dropout = 7"),
        ([SASREC], {"space": {"layers": {"low": 1.5, "high": 3}}}, "it takes whole numbers"),
        ([SASREC], {"space": {"dropout": ["much", "little"]}}, "it must be a number"),
        ([SASREC | {"search": {"depth": [1, 2]}}], {}, "sasrec has no option depth"),
        ([SASREC | {"search": {"dropout": [0, 1]}, "tune": False}], {}, "says tune = false"),
        ([SASREC, SASREC | {"label": "b", "settings_of": "SASRce"}], {}, "which is no label above it"),
        ([SASREC, SASREC | {"label": "b", "settings_of": "SASRec", "tune": False}], {}, "tune = false"),
        (
            [SASREC | {"tune": False}, SASREC | {"label": "b", "settings_of": "SASRec"}],
            {},
            "no search of its own",
        ),
        (
            [
                SASREC,
                SASREC | {"label": "b", "settings_of": "SASRec"},
                SASREC | {"label": "c", "settings_of": "b"},
            ],
            {},
            'settings_of = "b", which has no search of its own',
        ),
        (
            [SASREC, SASREC | {"label": "b", "settings_of": "SASRec", "search": {"dropout": [0, 1]}}],
            {},
            "a search and settings_of",
        ),
        ([SASREC, COUNTS | {"settings_of": "SASRec"}], {}, "dropout"),
        (
            [SASREC | {"training": {"stages": {"supervised": {"learning_rate": 0.1}}}}],
            {},
            "training.stages.supervised sets it",
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused(
    models: list[dict[str, Any]], tune: dict[str, Any], message: str
) -> None:
    from lrbench.config.base import parse_config
    from lrbench.config.suite import resolve_suite
    from lrbench.config.suite_file import SuiteFile

    values = {"name": "s", "protocol": "loo-20", "datasets": ["a"], "seeds": [1, 2], "models": models}
    with pytest.raises(RequestError) as caught:
        resolve_rows(resolve_suite(parse_config(SuiteFile, values | {"tune": TUNE | tune}, "file"), "file"))
    assert message in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("own", [{}, {"stages": {"supervised": {"batch_size": 256}}}])
def test_what_the_suite_sets_for_a_stage_cannot_be_tuned(own: dict[str, Any]) -> None:
    """The row's settings of the stage are added to those of the suite, which a search would not change."""
    of_suite = {"stages": {"supervised": {"learning_rate": 0.1}}}
    tune = TUNE | {"space": {"training.learning_rate": [0.1, 0.01]}}
    made = suite(SASREC | {"training": own}, training=of_suite, tune=tune)
    with pytest.raises(RequestError, match=r"training\.stages\.supervised sets it"):
        resolve_rows(made)


def test_a_seed_of_one_dataset_is_a_final_seed_too() -> None:
    made = suite(SASREC, dataset_seeds={"a": [1, TUNE["seed"]]}, tune=TUNE)
    with pytest.raises(RequestError, match=f"The seed {TUNE['seed']} is used for tuning and is among the"):
        resolve_rows(made)


def test_settings_of_another_row_make_another_suite() -> None:
    taker, other = (SASREC | {"label": "b", "settings_of": label} for label in ("SASRec", "SASRec 2"))
    made = [suite(SASREC, SASREC | {"label": "SASRec 2"}, row, tune=TUNE) for row in (taker, other)]
    definitions = [make_plan(each, resolve_rows(each), {}).record.definition for each in made]
    assert definitions[0] != definitions[1]


def test_settings_of_a_row_need_a_suite_that_tunes() -> None:
    with pytest.raises(RequestError, match="does not tune"):
        suite(SASREC, SASREC | {"label": "b", "settings_of": "SASRec"})


def test_a_search_without_a_budget_is_refused() -> None:
    with pytest.raises(RequestError, match="no budget"):
        suite(LARES)
