"""``lrbench export --archive`` on one machine and ``lrbench import`` on another."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import QUICKSTART, evaluated_later, files, make_search, make_suite, sealed_trial

from lrbench.cli.app import run
from lrbench.config.tuning import Tune
from lrbench.errors import CheckError, RequestError
from lrbench.files import write_text
from lrbench.store.integrity import stored_faults
from lrbench.store.layout import LOG_FILE, WEIGHTS_FILE, Results
from lrbench.store.suites import TunedRow, write_suite
from lrbench.store.trials import read_record


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a suite, of which one trial is not finished.

    One row was tuned, and one was evaluated later.
    """
    folder = tmp_path_factory.mktemp("origin")
    results = Results(folder / "results")
    suite = make_suite(results.root)
    *trials, unfinished = results.trials()
    search = make_search(results.root, read_record(trials[0]).config)
    tuned = TunedRow(label="SASRec", dataset="sample", search=search)
    suite = suite.model_copy(update={"tune": Tune(trials=3), "searches": (tuned,)})
    write_suite(suite, results.suite(suite.name))
    shutil.rmtree(unfinished)
    for trial in trials:
        write_text(trial / LOG_FILE, "epoch 1\n")
        (trial / WEIGHTS_FILE).write_bytes(trial.name.encode())
        sealed_trial(results.root, trial.name)
    for cell in suite.trials:
        if cell.label == "LARES":
            evaluated_later(results.root, DEEPER, "sample", cell.seed, cell.trial)
    return folder


@pytest.fixture
def here(origin: Path, tmp_path: Path) -> Path:
    """A copy of the origin that a test may change."""
    return Path(shutil.copytree(origin, tmp_path / "here"))


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


@pytest.fixture
def sent(here: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite of the origin lies as `demo.zip` in another folder, in which commands are now run."""
    monkeypatch.chdir(here)
    run(["export", "demo", "--archive", str(there / "demo.zip")])
    monkeypatch.chdir(there)


DEEPER = replace(QUICKSTART[2], depths=(4, 16))


@pytest.mark.parametrize("form", ["json", "markdown", "html", "latex", "methods"])
def test_the_report_elsewhere_is_the_same(
    here: Path,
    there: Path,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The archive carries later evaluations, searches for settings, and looks at reports."""
    monkeypatch.setenv("LRBENCH_DATA", str(there / "data"))
    monkeypatch.chdir(here)
    assert run(["report", "demo", "--format", form]) == 0  # the look at this report is exported too
    assert run(["export", "demo", "--archive", str(there / "demo.zip")]) == 0
    assert "1 of 10 trials are not finished, so the archive lacks them." in capsys.readouterr().err
    assert run(["report", "demo", "--format", form]) == 0
    expected = capsys.readouterr().out
    if form == "json":
        content = json.loads(expected)
        assert content["interventions"] and content["tuning"]
        assert 16 in {point["depth"] for point in content["depths"]}
    monkeypatch.chdir(there)
    assert run(["import", "demo.zip"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "9 new trials; 0 were there already.",
        "See the suite: lrbench report demo",
    ]
    assert run(["report", "demo", "--format", form]) == 0
    assert capsys.readouterr().out == expected


def test_exporting_twice_gives_the_same_bytes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    run(["export", "demo", "--archive", "one.zip"])
    for path in Path("results").rglob("*"):
        path.touch()
    run(["export", "--archive", "two.zip"])
    run(["export", "--archive", "weights.zip", "--weights"])
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes() != Path("weights.zip").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        "run demo.zip",
        "status demo.zip",
        "report demo.zip",
        "compare demo.zip SASRec",
        "plot depth demo.zip",
        "evaluate demo.zip",
        "verify demo.zip",
        "logs demo.zip",
        "export demo.zip --archive out.zip",
        "list trials demo.zip",
        "report demo.zip --results elsewhere",
        "report demo --results demo.zip",
        "run demo --results demo.zip",
    ],
)
@pytest.mark.usefixtures("sent")
def test_an_archive_is_unpacked_before_anything_else(there: Path, words: str) -> None:
    with pytest.raises(RequestError, match=r"demo\.zip is an archive\.") as caught:
        run(words.split())
    results = " --results elsewhere" if words.endswith("elsewhere") else ""
    assert caught.value.remedy == f"Unpack it first: lrbench import demo.zip{results}"
    assert [path.name for path in there.iterdir()] == ["demo.zip"]


def test_all_but_weights_arrives_and_weights_when_asked(
    here: Path, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    run(["export", "demo", "--archive", str(there / "small.zip")])
    run(["export", "demo", "--archive", str(there / "large.zip"), "--weights"])
    everything = files(here / "results")
    monkeypatch.chdir(there)
    run(["import", "small.zip"])
    without = {name: content for name, content in everything.items() if not name.endswith(WEIGHTS_FILE)}
    assert files(there / "results") == without
    run(["import", "large.zip"])
    assert files(there / "results") == everything
    capsys.readouterr()
    run(["import", "small.zip"])
    assert files(there / "results") == everything
    assert "0 new trials; 9 were there already." in capsys.readouterr().err


def test_a_compact_archive_gives_the_same_files(
    here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    run(["export", "demo", "--archive", str(there / "plain.zip")])
    run(["export", "demo", "--archive", str(there / "compact.zip"), "--compact"])
    everything = files(here / "results")
    monkeypatch.chdir(there)
    assert 4 * Path("compact.zip").stat().st_size < Path("plain.zip").stat().st_size
    run(["import", "compact.zip"])
    without = {name: content for name, content in everything.items() if not name.endswith(WEIGHTS_FILE)}
    assert files(there / "results") == without
    run(["import", "plain.zip"])
    assert files(there / "results") == without


def test_an_archive_of_some_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It holds the trials and searches on these. Two archives together give back all results."""
    monkeypatch.chdir(tmp_path)
    results = Results(tmp_path / "results")
    suite = make_suite(results.root, datasets=["near-1", "near-2", "far"], seeds=[1])
    configs = {
        record.dataset.name: record.config for trial in results.trials() for record in [read_record(trial)]
    }
    tuned = tuple(
        TunedRow(label="SASRec", dataset=name, search=make_search(results.root, config))
        for name, config in configs.items()
    )
    suite = suite.model_copy(update={"tune": Tune(trials=3), "searches": tuned})
    write_suite(suite, results.suite(suite.name))
    shutil.rmtree(next(trial for trial in results.trials() if "-2-" in trial.name))
    everything = files(results.root)

    run(["export", "demo", "--archive", "near.zip", "--datasets", "near-*"])
    assert "1 of 8 trials are not finished" in capsys.readouterr().err
    run(["export", "demo", "--archive", "far.zip", "--datasets", "far", "--compact"])
    assert "Wrote far.zip: 4 trials of suite demo." in capsys.readouterr().err
    run(["import", "far.zip", "--results", "elsewhere"])
    arrived = files(tmp_path / "elsewhere")
    names = {read_record(trial).dataset.name for trial in Results(tmp_path / "elsewhere").trials()}
    assert names == {"far"}
    assert len([name for name in arrived if name.startswith("searches/")]) == 1
    run(["import", "near.zip", "--results", "elsewhere"])
    assert files(tmp_path / "elsewhere") == everything

    with pytest.raises(RequestError, match='"farr" matches no dataset'):
        run(["export", "demo", "--archive", "none.zip", "--datasets", "farr"])
    assert not (tmp_path / "none.zip").exists()


def test_a_suite_that_grew_is_imported_over_its_earlier_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seeds in ([1, 2], [1, 2, 3]):
        make_suite(tmp_path / "results", seeds=seeds)
        run(["export", "demo", "--archive", f"{len(seeds)}.zip"])
    for archive in ("2.zip", "3.zip", "2.zip"):
        run(["import", archive, "--results", "other"])
    assert files(tmp_path / "other") == files(tmp_path / "results")


@pytest.mark.usefixtures("sent")
def test_what_differs_is_refused_and_nothing_is_written(there: Path) -> None:
    run(["import", "demo.zip"])
    results = Results(there / "results")
    *gone, changed = results.trials()
    for trial in gone:
        shutil.rmtree(trial)
    write_text(changed / LOG_FILE, "another run\n")
    before = files(there)
    with pytest.raises(RequestError, match="differs from the file in the archive"):
        run(["import", "demo.zip"])
    assert files(there) == before


@pytest.mark.usefixtures("sent")
def test_another_suite_of_the_same_name_is_refused(there: Path) -> None:
    make_suite(there / "results", definition="another")
    shutil.rmtree(there / "results/trials")
    before = files(there)
    with pytest.raises(RequestError, match="differs from the suite of that name in the archive"):
        run(["import", "demo.zip"])
    assert files(there) == before


def test_a_damaged_trial_is_not_exported(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    write_text(Results(here / "results").trials()[0] / LOG_FILE, "changed\n")
    with pytest.raises(CheckError, match="was changed after the trial wrote it"):
        run(["export", "demo", "--archive", "demo.zip"])
    assert not Path("demo.zip").exists()


@pytest.mark.usefixtures("sent")
def test_an_error_in_the_middle_of_an_import_leaves_nothing(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lrbench.store.undo.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        run(["import", "demo.zip"])
    assert set(files(there)) == {"demo.zip"}
    assert not Results(there / "results").trials()


@pytest.mark.usefixtures("sent")
def test_only_the_weights_are_missing_in_imported_trials() -> None:
    run(["import", "demo.zip"])
    results = Results(Path("results"))
    for trial in results.trials():
        assert stored_faults(trial) == [f"{trial / WEIGHTS_FILE} is missing."]
        assert not stored_faults(trial, left_out=[WEIGHTS_FILE])


def test_weights_that_are_not_there_cannot_be_exported(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    (Results(here / "results").trials()[-1] / WEIGHTS_FILE).unlink()
    with pytest.raises(RequestError, match="has no weights here"):
        run(["export", "demo", "--archive", "demo.zip", "--weights"])
    assert not Path("demo.zip").exists()


def evaluated(folder: Path) -> Path:
    return Results(folder / "results").evaluations()[0]


def test_the_evaluation_that_holds_the_other_one_stays(
    here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    run(["export", "demo", "--archive", str(there / "early.zip"), "--weights"])
    trial = read_record(Results(here / "results").trial(evaluated(here).name))
    evaluated_later(here / "results", replace(DEEPER, depths=(32,)), "sample", trial.seed, trial.id)
    run(["export", "demo", "--archive", str(there / "late.zip"), "--weights"])
    monkeypatch.chdir(there)
    run(["import", "early.zip"])
    assert files(there / "results") != files(here / "results")
    for archive in ("late.zip", "early.zip"):
        run(["import", archive])
        assert files(there / "results") == files(here / "results")


@pytest.mark.usefixtures("sent")
def test_another_evaluation_of_a_trial_is_refused(there: Path) -> None:
    run(["import", "demo.zip"])
    trial = read_record(Results(there / "results").trial(evaluated(there).name))
    evaluated_later(there / "results", replace(DEEPER, skill=0.0), "sample", trial.seed, trial.id)
    before = files(there)
    with pytest.raises(RequestError, match="and the archive have different ranks"):
        run(["import", "demo.zip"])
    assert files(there) == before
