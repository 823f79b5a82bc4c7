"""TensorBoard reads back what was stored."""

import sys
from pathlib import Path

import pytest
from synthetic_results import QUICKSTART, make_suite

from lrbench.cli.app import run
from lrbench.errors import RequestError
from lrbench.store.export_tensorboard import export_tensorboard
from lrbench.store.layout import Results
from lrbench.store.suites import find_suite_record
from lrbench.store.trials import read_history, read_record


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("results")
    make_suite(root, seeds=[1, 2])
    return Results(root)


def test_every_curve_and_metric_is_read_back(results: Results, tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = tmp_path / "board"
    assert run(["export", "demo", "--to", "tensorboard", "--output", str(folder), *at(results)]) == 0
    runs = {path.parent.name: path.parent for path in folder.rglob("events.*")}
    assert runs.keys() == {trial.name for trial in results.trials()}
    assert {path.parent.name for path in runs.values()} == {
        made.label.replace("/", "_").replace("&", "_").replace("%", "_") for made in QUICKSTART
    }
    for trial in results.trials():
        events = reading.EventAccumulator(str(runs[trial.name])).Reload()
        history, record = read_history(trial), read_record(trial)
        for stage in history["stage"].unique():
            rows = history.filter(stage=stage)
            for column in ("loss", "validation_metric"):
                curve = events.Scalars(f"{stage}/{column}")
                assert [point.step for point in curve] == rows["epoch"].to_list()
                assert [point.value for point in curve] == pytest.approx(rows[column].to_list(), rel=1e-6)
        points = events.Scalars("test by depth/ndcg@10")
        assert {str(point.step): point.value for point in points} == pytest.approx(
            {depth: values["ndcg@10"] for depth, values in record.metrics["test"].items()}, rel=1e-6
        )


def test_two_exports_are_equal(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    suite = find_suite_record(results, "demo")
    contents = []
    for name in ("one", "two"):
        assert export_tensorboard(suite, results, tmp_path / name) == 7
        files = sorted((tmp_path / name).rglob("events.*"))
        contents.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert contents[0] == contents[1]


def test_a_folder_that_is_there_is_left_alone(results: Results, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is there already"):
        run(["export", "demo", "--to", "tensorboard", "--output", str(tmp_path), *at(results)])
    assert not list(tmp_path.iterdir())


def test_without_tensorboard(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(RequestError) as refused:
        run(["export", "demo", "--to", "tensorboard", "--output", str(tmp_path / "x"), *at(results)])
    assert refused.value.remedy == "pip install 'lrbench[tensorboard]'"
    assert not (tmp_path / "x").exists()


def at(results: Results) -> list[str]:
    return ["--results", str(results.root)]
