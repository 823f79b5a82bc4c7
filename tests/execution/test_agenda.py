"""Which trials of a run may begin, before and after the searches that they wait for."""

from pathlib import Path

import pytest
from plans import suite
from small_data import small_dataset
from store.search_records import search_record

from lrbench.config.rerun import Rerun
from lrbench.config.tuning import SearchConfig
from lrbench.execution.agenda import Agenda
from lrbench.execution.plan import PlannedTrial
from lrbench.execution.rows import resolve_rows
from lrbench.store.layout import Results
from lrbench.store.searches import write_search

TUNE = {"trials": 2, "seed": 9, "space": {"dropout": [0.1, 0.3]}}
Models = tuple[dict[str, str], ...]
MODELS: Models = (
    {"label": "SASRec", "model": "sasrec"},
    {"label": "GRU4Rec", "model": "gru4rec"},
    {"label": "Popularity", "model": "popularity"},
)


def agenda(
    folder: Path, only: tuple[str, ...] = (), rerun: Rerun = Rerun.missing, models: Models = MODELS
) -> Agenda:
    made = suite(*models, tune=TUNE)
    return Agenda(made, resolve_rows(made), {"a": small_dataset(users=20)}, Results(folder), only, rerun)


def complete(config: SearchConfig, results: Path, dropout: float) -> None:
    """Write the record of a search that chose a dropout."""
    record = search_record()
    trials = tuple(trial.model_copy(update={"settings": {"dropout": dropout}}) for trial in record.trials)
    done = record.model_copy(update={"id": config.id, "config": config, "trials": trials})
    write_search(done, Results(results))


def told(trials: list[PlannedTrial]) -> list[tuple[str, int, object]]:
    return [(trial.labels[0], trial.config.seed, trial.config.params.get("dropout")) for trial in trials]


def test_trials_of_a_row_may_begin_when_its_own_search_is_complete(tmp_path: Path) -> None:
    run = agenda(tmp_path)
    sasrec, gru4rec = (search.config for search in run.searches)
    assert told(run.take()) == [("Popularity", 0, None)]
    assert (run.upcoming, run.trial_count, run.search_count) == (4, 5, 2)
    complete(gru4rec, tmp_path, 0.3)
    assert run.take() == []  # nobody has said so yet
    run.end_search(gru4rec.id, complete=True)
    assert told(run.take()) == [("GRU4Rec", 1, 0.3), ("GRU4Rec", 2, 0.3)]
    assert (run.upcoming, run.trial_count) == (2, 5)
    assert (run.is_search(sasrec.id), run.is_search(gru4rec.id)) == (True, False)
    assert {cell.label for cell in run.plan.record.trials} == {"GRU4Rec", "Popularity"}


def test_trials_of_a_row_whose_search_failed_never_begin(tmp_path: Path) -> None:
    run = agenda(tmp_path)
    sasrec, gru4rec = (search.config for search in run.searches)
    run.take()
    run.end_search(sasrec.id, complete=False)
    assert (run.take(), run.upcoming, run.prevented) == ([], 2, 2)
    complete(gru4rec, tmp_path, 0.1)
    run.end_search(gru4rec.id, complete=True)
    assert [trial.labels for trial in run.take()] == [("GRU4Rec",)] * 2
    assert run.upcoming == 0


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_search_that_runs_again_holds_its_row_back_though_it_was_complete(
    tmp_path: Path, succeeds: bool
) -> None:
    for search in agenda(tmp_path).searches:
        complete(search.config, tmp_path, 0.1)
    run = agenda(tmp_path, rerun=Rerun.all)
    sasrec, gru4rec = (search.config for search in run.searches)
    assert [trial.labels for trial in run.take()] == [("Popularity",)]
    complete(sasrec, tmp_path, 0.3)
    run.end_search(sasrec.id, complete=succeeds)
    run.end_search(gru4rec.id, complete=True)
    own = [("SASRec", 1, 0.3), ("SASRec", 2, 0.3)] if succeeds else []
    assert sorted(told(run.take())) == [("GRU4Rec", 1, 0.1), ("GRU4Rec", 2, 0.1), *own]


def test_only_the_rows_that_were_chosen_are_searched_and_follow(tmp_path: Path) -> None:
    run = agenda(tmp_path, only=("SASRec",))
    assert ([search.labels for search in run.searches], run.upcoming) == ([("SASRec",)], 2)
    assert (run.take(), run.trial_count) == ([], 5)


def test_rows_that_were_not_chosen_do_not_follow_a_search_that_they_wait_for(tmp_path: Path) -> None:
    taker = {"label": "taker", "model": "sasrec", "settings_of": "SASRec"}
    run = agenda(tmp_path, only=("SASRec",), models=(*MODELS, taker))
    assert ([search.labels for search in run.searches], run.upcoming) == ([("SASRec", "taker")], 2)
    (search,) = run.searches
    complete(search.config, tmp_path, 0.3)
    run.end_search(search.config.id, complete=True)
    assert told(run.take()) == [("SASRec", 1, 0.3), ("SASRec", 2, 0.3)]


def test_trials_that_waited_for_a_search_have_not_failed(tmp_path: Path) -> None:
    error = Results(tmp_path).error(agenda(tmp_path).searches[0].config.id)
    error.parent.mkdir(parents=True)
    error.touch()
    assert [search.labels for search in agenda(tmp_path).searches] == [("SASRec",), ("GRU4Rec",)]
    run = agenda(tmp_path, rerun=Rerun.failed)
    assert ([search.labels for search in run.searches], run.upcoming) == ([("SASRec",)], 0)
    run.end_search(run.searches[0].config.id, complete=False)
    assert run.prevented == 0
