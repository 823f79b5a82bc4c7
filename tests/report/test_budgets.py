"""What tuning with fewer trials would have found, from the records of searches."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import JsonValue
from synthetic_results import Made, make_suite

from lrbench.config.tuning import Choice, Range, SearchConfig, Tune
from lrbench.errors import RequestError
from lrbench.report.budgets import Budget, make_budgets
from lrbench.report.findings import TuningFinding
from lrbench.report.plots import PLOTS, PlotSource
from lrbench.report.report import Report
from lrbench.report.tables.tuning import tuning_section
from lrbench.report.tuning import at_end, find_tuning, tuning_sentences
from lrbench.store.frames import FinishedTrial, finished_trials
from lrbench.store.layout import Results
from lrbench.store.searches import FinalistRun, SearchRecord, SearchTrial, read_search, write_search
from lrbench.store.suites import ControlRecord, SuiteRecord, TunedRow, read_suite
from lrbench.wording import listed

VALUES = (0.1, 0.3, None, 0.2)


def tuned(root: Path, sampler: Literal["random", "tpe"], own_first: bool = False) -> list[FinishedTrial]:
    """A row whose settings were searched for with four trials, one of which failed, and one that was not."""
    suite = make_suite(root, [Made("A", 1.0), Made("B", 0.5)], seeds=[1, 2], proposed=[])
    finished, _ = finished_trials(suite, Results(root))
    config = SearchConfig(
        **finished[0].record.config.model_dump(),
        space={"dropout": Choice(values=(0.1, 0.3))},
        trials=len(VALUES),
        sampler=sampler,
        pruning="none",
        users=None,
        own_first=own_first,
    )
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    record = SearchRecord(
        id=config.id,
        config=config,
        metric="ndcg@10",
        trials=tuple(
            SearchTrial(number=n, settings={}, state="failed" if v is None else "complete", value=v)
            for n, v in enumerate(VALUES)
        ),
        chosen=1,
        users=9,
        seconds=1.0,
        device="cpu",
        threads=1,
        versions={},
        started=moment,
        ended=moment,
    )
    write_search(record, Results(root))
    return [_searched(trial, record.id) if trial.cell.label == "A" else trial for trial in finished]


def _searched(trial: FinishedTrial, search: str) -> FinishedTrial:
    config = trial.record.config.model_copy(update={"search": search})
    return replace(trial, record=trial.record.model_copy(update={"config": config}))


def test_random_search_has_an_expected_best_with_a_band(tmp_path: Path) -> None:
    (budget,) = make_budgets((), tuned(tmp_path, "random"), Results(tmp_path))
    assert (budget.dataset, budget.label, budget.metric, budget.failed) == ("sample", "A", "ndcg@10", 1)
    # Values 0.1, 0.2, 0.3: one draw has their mean; the best of two is 0.1, 0.2, 0.3 with 1/9, 3/9, 5/9.
    assert budget.best[:2] == pytest.approx((0.2, (0.1 + 3 * 0.2 + 5 * 0.3) / 9))
    assert all(np.array(budget.low) <= budget.best)
    assert all(np.array(budget.high) >= budget.best)


def test_own_settings_count_in_every_number_of_trials(tmp_path: Path) -> None:
    """They have 0.1. One draw of 0.3 and 0.2 has their mean; the best of two draws is 0.2 once in four."""
    (budget,) = make_budgets((), tuned(tmp_path, "random", own_first=True), Results(tmp_path))
    assert budget.best == pytest.approx((0.1, 0.25, (0.2 + 3 * 0.3) / 4))
    assert (budget.low[0], budget.high[0]) == (0.1, 0.1)


def test_another_sampler_has_the_best_so_far_and_no_band(tmp_path: Path) -> None:
    (budget,) = make_budgets((), tuned(tmp_path, "tpe"), Results(tmp_path))
    assert (budget.best, budget.low, budget.high) == ((0.1, 0.3, 0.3), (), ())


@pytest.mark.parametrize(("own_first", "own"), [(False, None), (True, 0.1)])
def test_only_a_first_trial_with_the_rows_own_settings_is_told_as_such(
    tmp_path: Path, own_first: bool, own: float | None
) -> None:
    """Searches of earlier versions drew all settings."""
    (found,) = find_tuning(searched_suite(tmp_path, own_first), Results(tmp_path), ())
    assert (found.own, found.best, found.trials, found.failed) == (own, 0.3, 4, 1)
    assert (found.finalists, found.place, found.confirmed) == (0, 1, None)


def test_the_place_of_the_chosen_settings_is_among_the_finalists(tmp_path: Path) -> None:
    suite = searched_suite(tmp_path, own_first=True)
    (row,) = suite.searches
    values = {1: (0.24, 0.26), 3: (0.28, 0.3)}  # the best trial is the first finalist
    finals = tuple(
        FinalistRun(number=number, seed=seed, value=value)
        for number, of_runs in values.items()
        for seed, value in enumerate(of_runs, 8)
    )
    record = read_search(Results(tmp_path), row.search)
    write_search(record.model_copy(update={"finals": finals, "chosen": 3}), Results(tmp_path))
    (found,) = find_tuning(suite, Results(tmp_path), ())
    assert (found.finalists, found.place, found.best) == (2, 2, 0.2)
    assert found.confirmed == pytest.approx(0.29)


def searched_suite(root: Path, own_first: bool) -> SuiteRecord:
    """The suite of :func:`tuned`, with its search."""
    search = tuned(root, "random", own_first)[0].record.config.search
    assert search is not None
    suite = read_suite(Results(root).suite("demo"))
    return suite.model_copy(update={"searches": (TunedRow(label="A", dataset="sample", search=search),)})


def test_a_search_that_is_elsewhere_has_no_budget(tmp_path: Path) -> None:
    trials = tuned(tmp_path, "random")
    assert list(make_budgets((), trials, Results(tmp_path / "elsewhere"))) == []


def test_a_search_whose_row_has_no_trial_yet_has_a_budget(tmp_path: Path) -> None:
    search = tuned(tmp_path, "tpe")[0].record.config.search
    assert search is not None
    row = TunedRow(label="waits", dataset="sample", search=search)
    (budget,) = make_budgets((row,), (), Results(tmp_path))
    assert (budget.label, budget.best) == ("waits", (0.1, 0.3, 0.3))


@pytest.mark.parametrize(
    ("searched", "said"),
    [
        (("A",), "Controls have the settings that were chosen for their model, and no search of their own."),
        (("A", "alone"), "The other controls have the settings that were chosen for their model, and no"),
        (("A", "alone", "noise"), None),
    ],
)
def test_the_caption_says_which_controls_have_no_search(
    searched: tuple[str, ...], said: str | None, tmp_path: Path
) -> None:
    controls = {
        "alone": ControlRecord(of="A", control="no-reasoning"),
        "noise": ControlRecord(of="A", control="noise-only"),
    }
    suite = make_suite(
        tmp_path, [Made(label) for label in ("A", *controls)], proposed=["A"], controls=controls
    )
    rows = tuple(TunedRow(label=label, dataset="sample", search=f"search-{label}") for label in searched)
    suite = suite.model_copy(update={"tune": Tune(trials=3, space={}), "searches": rows})
    first, second, *rest = tuning_sentences(suite, ended(tmp_path, *(row.search for row in rows)))
    assert second.endswith("they do not contain the luck of the search.")
    tuned_controls = [sentence for sentence in rest if sentence.startswith("Controls that were tuned may")]
    assert len(tuned_controls) == ("alone" in searched)
    rest = [sentence for sentence in rest if sentence not in tuned_controls]
    assert first.startswith(f"Tuned on validation targets: {listed(list(searched))}. Each had 3 trials")
    if said is None:
        assert rest == []
    else:
        (sentence,) = rest
        assert sentence.startswith(said)


def ended(root: Path, *searches: str) -> Results:
    """The results, in which these searches have ended."""
    results = Results(root)
    for search in searches:
        results.search(search).parent.mkdir(exist_ok=True)
        results.search(search).touch()
    return results


def test_the_caption_says_which_rows_had_one_search_together(tmp_path: Path) -> None:
    """On two datasets, of which each has its searches."""
    suite = make_suite(tmp_path, [Made(label) for label in "ABCD"], proposed=["A"])
    of_rows = {"A": "first", "B": "own", "C": "first", "D": "waits"}
    rows = tuple(
        TunedRow(label=label, dataset=dataset, search=f"{search}-{dataset}")
        for dataset in ("sample", "other")
        for label, search in of_rows.items()
    )
    suite = suite.model_copy(update={"tune": Tune(trials=3, space={}), "searches": rows})
    complete = [row.search for row in rows if row.label != "D"]
    said = list(tuning_sentences(suite, ended(tmp_path, *complete)))
    assert said[0].startswith("Tuned on validation targets: A, B and C. Each had 3 trials")
    assert [sentence for sentence in said if "served" in sentence] == ["One search served A and C."]


def test_a_row_whose_search_has_not_ended_is_not_called_tuned(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B")], proposed=["A"])
    rows = tuple(TunedRow(label=label, dataset="sample", search=f"search-{label}") for label in "AB")
    suite = suite.model_copy(update={"tune": Tune(trials=3, space={}), "searches": rows})
    said = list(tuning_sentences(suite, ended(tmp_path, "search-A")))
    assert said[0].startswith("Tuned on validation targets: A. Each had 3 trials")
    assert "1 further row has no complete search." in said
    assert not any(sentence.startswith("Not tuned") for sentence in said)


def test_the_controls_of_many_tuned_rows_are_counted(tmp_path: Path) -> None:
    labels = [f"row {number}" for number in range(10)]
    controls = {"alone": ControlRecord(of="row 0", control="no-reasoning")}
    suite = make_suite(tmp_path, [Made(label) for label in (*labels, *controls)], controls=controls)
    rows = tuple(TunedRow(label=label, dataset="sample", search="search-x") for label in (*labels, *controls))
    suite = suite.model_copy(update={"tune": Tune(trials=3, space={}), "searches": rows})
    first = next(iter(tuning_sentences(suite, ended(tmp_path, "search-x"))))
    assert f"targets: {listed(labels)}, and 1 of their controls. Each had 3 trials" in first


LOGARITHMIC = Range(low=0.01, high=1.0, log=True)


@pytest.mark.parametrize(
    ("values", "chosen", "marked"),
    [
        pytest.param(Choice(values=(0.1, 0.3, 0.5)), 0.3, False, id="the middle of a list"),
        pytest.param(Choice(values=(0.5, 0.1, 0.3)), 0.1, True, id="the smallest of a list"),
        pytest.param(Choice(values=(0.1, 0.5)), 0.1, False, id="one of two"),
        pytest.param(Choice(values=("mean", "last", "sum")), "mean", False, id="a word"),
        pytest.param(Choice(values=(True, False)), True, False, id="a truth value"),
        pytest.param(LOGARITHMIC, 0.1, False, id="the middle of a logarithmic range"),
        pytest.param(LOGARITHMIC, 0.95, True, id="near the top: a hundredth of the logarithmic range"),
        pytest.param(LOGARITHMIC, 0.0105, True, id="near the bottom"),
        pytest.param(LOGARITHMIC, 1.5, True, id="beyond: a row's own setting"),
        pytest.param(Range(low=1, high=100, whole=True), 2, False, id="a whole number near an end"),
        pytest.param(Range(low=1, high=100, whole=True), 100, True, id="the largest whole number"),
    ],
)
def test_a_number_at_an_end_of_the_space_is_told(
    values: Choice | Range, chosen: JsonValue, marked: bool
) -> None:
    assert list(at_end({"option": values}, {"option": chosen})) == ["option"] * marked


FOUND = TuningFinding(
    dataset="sample",
    label="SASRec",
    search="search-x",
    metric="ndcg@10",
    sampler="tpe",
    pruning="none",
    seed=7,
    users=9,
    space="dropout of 0.1, 0.3, 0.5; width of 32, 64, 128",
    trials=3,
    pruned=0,
    failed=0,
    own=0.1,
    best=0.2,
    finalists=0,
    place=1,
    confirmed=None,
    runs=(0.15, math.nan, 0.05, 0.19),
    settings={"dropout": 0.5, "width": 64},
    at_end=("dropout",),
    seconds=1.0,
)


def curve(found: TuningFinding) -> Budget:
    return Budget(found.dataset, found.label, found.metric, (0.1, found.best), (), (), 0)


def test_the_table_marks_numbers_at_an_end_and_has_the_scores_of_other_seeds(report: Report) -> None:
    section = tuning_section(replace(report, tuning=(FOUND,), budgets=(curve(FOUND),)))
    ((row,),) = (table.rows for table in section.tables)
    assert row[-1].text == "dropout = 0.5*, width = 64"
    assert row[-5].text == "0.1300 [0.0500, 0.1900]"
    assert "as a finalist" not in section.columns
    assert section.columns[1:5] == ("own settings", "best of 1", "best of 2", "best of 3")
    assert [cell.text for cell in row[1:5]] == ["0.1000", "0.1000", "0.2000", "0.2000"]


def test_the_table_has_the_score_and_the_place_of_a_finalist(report: Report) -> None:
    chosen = replace(FOUND, label="LARES", finalists=3, place=2, confirmed=0.175)
    section = tuning_section(replace(report, tuning=(FOUND, chosen), budgets=(curve(FOUND), curve(chosen))))
    plain, finalist = section.tables[0].rows
    at = list(section.columns).index("as a finalist")
    assert (plain[at].text, finalist[at].text) == ("–", "0.1750 (2 of 3)")


def test_the_caption_says_how_finalists_were_chosen(tmp_path: Path) -> None:
    rows = (TunedRow(label="SASRec", dataset="sample", search="search-x"),)
    suite = make_suite(tmp_path).model_copy(update={"tune": Tune(trials=9, finalists=3), "searches": rows})
    said = " ".join(tuning_sentences(suite, ended(tmp_path, "search-x")))
    assert "The settings of the 3 best trials were trained again with 2 other seeds" in said


def test_the_plot_draws_a_line_per_row_and_a_band_where_there_is_one(report: Report) -> None:
    with pytest.raises(RequestError, match="No row of suite demo was tuned"):
        PLOTS.load("tuning")(PlotSource(report))
    budgets = (
        Budget("sample", "SASRec", "ndcg@10", (0.1, 0.2), (0.05, 0.15), (0.15, 0.25), 0),
        Budget("sample", "LARES", "ndcg@10", (0.1, 0.3), (), (), 0),
    )
    (panel,) = PLOTS.load("tuning")(PlotSource(replace(report, budgets=budgets))).axes
    assert [list(line.get_ydata()) for line in panel.lines] == [[0.1, 0.2], [0.1, 0.3]]
    assert len(panel.collections) == 1
    assert panel.get_ylabel() == "best NDCG@10\non validation"
    assert panel.get_xlabel() == "tuning trials (band: ± 1 SD)"
    (panel,) = PLOTS.load("tuning")(PlotSource(replace(report, budgets=budgets[1:]))).axes
    assert panel.get_xlabel() == "tuning trials"


def test_the_plot_draws_a_search_once_and_names_the_rows_that_share_it(report: Report) -> None:
    first, second, *_ = report.labels
    labels = (first, "control", "other control", second)
    budgets = tuple(Budget("sample", label, "ndcg@10", (0.1, 0.2), (), (), 0) for label in labels)
    controls = {
        "control": ControlRecord(of=first, control="noise-only"),
        "other control": ControlRecord(of="row that is not shown", control="noise-only"),
    }
    shown = replace(report, labels=labels, controls=controls, budgets=budgets)
    figure = PLOTS.load("tuning")(PlotSource(shown))
    assert len(figure.axes[0].lines) == 1
    (name,) = (text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts())
    assert name == f"{first} (also {second} and other control)"
