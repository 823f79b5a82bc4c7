"""``lrbench status``: the sentence that it prints for a trial that failed."""

import shutil
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.cli.app import run
from lrbench.config.tuning import Tune
from lrbench.execution.failures import record_failure
from lrbench.files import write_text
from lrbench.store.layout import Results
from lrbench.store.suites import TunedRow


def raised(message: str) -> Exception:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("error", "details", "shown"),
    [
        (
            "the worker process ended with code -9",
            "Loading\nlast words",
            "the worker process ended with code -9",
        ),
        ("the worker process ended with code -9", "", "the worker process ended with code -9"),
        (raised("loss is NaN"), "", "ValueError: loss is NaN"),
    ],
    ids=["process that said something", "process that said nothing", "exception"],
)
def test_a_failed_trial_shows_its_reason(
    error: Exception | str, details: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results(tmp_path / "results")
    make_suite(results.root, [Made("SASRec")], seeds=(1,), proposed=())
    (folder,) = results.trials()
    shutil.rmtree(folder)
    record_failure(results, folder.name, error, details)
    assert run(["status", "--results", str(results.root)]) == 0
    told = "".join(capsys.readouterr().out.splitlines())
    assert f"{folder.name} failed: {shown}  " in told


def test_a_narrow_terminal_cuts_no_word_and_shows_only_states_that_occur(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    results = Results(tmp_path / "results")
    labels = ("DiffuReason: parameter matched", "SASRec")
    suite = make_suite(results.root, [Made(label) for label in labels], ("sample", "ml-100k"), proposed=())
    shutil.rmtree(results.trial(suite.trials[0].trial))
    assert run(["status", "--results", str(results.root)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line.split()[-1] for line in lines if line.startswith("Suite ")] == ["sample", "ml-100k"]
    assert [line.split() for line in lines if line.startswith("label")] == [["label", "done", "to", "do"]] * 2
    assert [line.split()[3:] for line in lines if line.startswith(labels[0])] == [["2", "1"], ["3"]]
    assert lines[-1] == "12 trials: 11 done, 1 to do."


def test_trials_that_are_not_planned_yet_are_announced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results(tmp_path / "results")
    suite = make_suite(results.root, [Made("SASRec")], proposed=())
    rows = (TunedRow(label="LARES", dataset=suite.datasets[0], search="search-lares"),)
    update = {"searches": rows, "tune": Tune(trials=3)}
    write_text(results.suite(suite.name), suite.model_copy(update=update).model_dump_json())
    assert run(["status", "--results", str(results.root)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "3 trials: 3 done. A row's trials are planned once its search is done." in told


def test_tuning_is_listed_by_dataset_before_any_trial_is_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results(tmp_path / "results")
    suite = make_suite(results.root, [Made("SASRec")], ("sample", "ml-100k"), proposed=())
    rows = tuple(
        TunedRow(label="SASRec", dataset=dataset, search=f"search-{dataset}") for dataset in suite.datasets
    )
    update = {"searches": rows, "trials": (), "tune": Tune(trials=3)}
    write_text(results.suite(suite.name), suite.model_copy(update=update).model_dump_json())
    assert run(["status", "--results", str(results.root)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line.split()[-1] for line in lines if line.startswith("Tuning of ")] == ["sample", "ml-100k"]
    assert [line.split() for line in lines if line.startswith("SASRec")] == [["SASRec", "to", "do"]] * 2
    assert lines[-2:] == ["2 searches: 2 to do.", "A row's trials are planned once its search is done."]
