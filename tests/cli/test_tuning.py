"""A tuned suite from start to table, as a person runs it."""

import json
import subprocess
from pathlib import Path

import pytest
from desk import SUITE, Desk

from lrbench.cli.dry_run import _print_totals, _Totals
from lrbench.cli.run_request import RunRequest
from lrbench.config.rerun import Rerun
from lrbench.config.suite import read_suite_file
from lrbench.data.obtain import open_library
from lrbench.execution.places import LocalPlace
from lrbench.store.layout import Results

TUNED = (
    SUITE.replace('"small"', '"tuned"').replace("[1, 2, 3]", "[1, 2]")
    + """
[tune]
trials = 2
sampler = "random"
seed = 9

[tune.space]
dropout = [0.0, 0.5]

[[models]]
label = "Diverges"
model = "sasrec"
training = { learning_rate = 1e29 }
search = { training.learning_rate = [1e30, 1e31] }
"""
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("tuning"))


@pytest.fixture(scope="module")
def finished(desk: Desk) -> subprocess.CompletedProcess[str]:
    return desk.run("run", desk.suite(TUNED), "--workers", "1", code=1)


@pytest.mark.parametrize(("processes", "told"), [(1, False), (2, True)])
def test_a_dry_run_says_how_many_gpus_a_search_uses(
    processes: int, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tuned.toml").write_text(TUNED, encoding="utf-8")
    request = RunRequest(
        suite=read_suite_file(tmp_path / "tuned.toml"),
        library=open_library(tmp_path, None),
        results=Results(tmp_path),
        only=(),
        rerun=Rerun.missing,
        place=LocalPlace(processes=processes),
    )
    _print_totals(_Totals(searches=1, searches_to_run=1), request)
    said = " ".join(capsys.readouterr().out.split())
    assert ("A search trains on one of its 2 GPUs." in said) == told


@pytest.mark.slow
def test_one_command_tunes_and_then_trains_the_final_seeds(
    desk: Desk, finished: subprocess.CompletedProcess[str]
) -> None:
    assert "Tuning on validation: 2 of 2 searches to run, 2 trials each." in finished.stderr
    assert "Suite tuned: 5 of 5 trials to run (0 done or left out)" in finished.stderr
    assert "1 of 2 searches and 3 of 5 trials done." in finished.stderr  # a search failed, and with it two
    assert "All 2 trials of the search failed" in finished.stderr
    (file,) = (desk.folder / "results" / "searches").glob("*.json")
    search = json.loads(file.read_text(encoding="utf-8"))
    trials = [
        json.loads((folder / "trial.json").read_text(encoding="utf-8"))
        for folder in (desk.folder / "results" / "trials").iterdir()
    ]
    tuned = [trial for trial in trials if trial["model"] == "sasrec"]
    assert sorted(trial["seed"] for trial in tuned) == [1, 2]  # not the tuning seed, and no row that failed
    chosen = search["trials"][search["chosen"]]["settings"]["dropout"]
    assert {trial["params"]["dropout"] for trial in tuned} == {chosen}
    assert {trial["config"]["search"] for trial in tuned} == {file.stem}


@pytest.mark.slow
@pytest.mark.usefixtures("finished")
def test_the_report_says_what_was_tuned_and_how(desk: Desk) -> None:
    report = json.loads(desk.run("report", desk.suite(TUNED), "--format", "json").stdout)
    (finding,) = report["tuning"]
    assert (finding["label"], finding["trials"], finding["space"]) == ("SASRec", 2, "dropout of 0.0, 0.5")
    caption = " ".join(report["caption"])
    assert "Tuned on validation targets: SASRec. Each had 2 trials of random search" in caption
    assert "1 further row has no complete search." in caption  # that of Diverges failed
    assert "Not tuned: Popularity." in caption
    kinds = {warning["kind"]: warning for warning in report["warnings"]}
    assert "SASRec was tuned and is compared with Popularity" in kinds["unequal_tuning"]["cause"]
    table = desk.run("report", "tuned", "--tables", "tuning").stdout
    assert "best of 2" in table


@pytest.mark.slow
@pytest.mark.usefixtures("finished")
def test_status_lists_and_dry_runs_know_the_searches(desk: Desk) -> None:
    status = desk.run("status", "tuned").stdout
    assert "Tuning of tuned" in status
    assert "2 searches: 1 done, 1 failed." in status
    assert "All 2 trials of the search failed" in status
    lines = desk.run("list", "trials", "tuned").stdout.splitlines()
    states = [line.split()[1] for line in lines if line.startswith("search-")]
    assert states == ["done", "failed"]
    sound = TUNED.replace("1e29", "1e-3")  # what takes time is measured with the row's own settings
    dry = " ".join(desk.run("run", desk.suite(sound), "--dry-run").stdout.split())
    assert "Tuning: 1 of 2 searches to run, 2 trials each." in dry
    assert "Tuning takes at most about" in dry


@pytest.mark.slow
def test_a_wrong_space_ends_with_2_and_writes_nothing(desk: Desk) -> None:
    wrong = TUNED.replace('"tuned"', '"wrong"').replace("dropout = [0.0, 0.5]", "dropuot = [0.0, 0.5]")
    ended = desk.run("run", desk.suite(wrong), "--results", "elsewhere", code=2)
    assert "no row that is tuned has an option dropuot" in ended.stderr
    assert not (desk.folder / "elsewhere").exists()
