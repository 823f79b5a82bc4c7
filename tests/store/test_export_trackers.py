"""MLflow and Weights & Biases read back what was stored."""

import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from synthetic_results import Made, make_suite

from lrbench.cli.app import run
from lrbench.errors import RequestError
from lrbench.store.curves import runs_of, scalars, settings_of
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import find_suite_record
from lrbench.store.trials import read_history, read_record


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("results")
    make_suite(root, seeds=[1])
    return Results(root)


def export(results: Results, program: str, folder: Path) -> None:
    arguments = ["export", "demo", "--to", program, "--output", str(folder), "--results", str(results.root)]
    assert run(arguments) == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_mlflow_reads_every_curve_and_metric(results: Results, tmp_path: Path) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    folder = tmp_path / "runs"
    export(results, "mlflow", folder)
    client = tracking.MlflowClient(tracking_uri=folder.as_uri())
    experiment = client.get_experiment_by_name("demo")
    runs = {
        run.info.run_name.rpartition("/")[2]: run for run in client.search_runs([experiment.experiment_id])
    }
    assert runs.keys() == {trial.name for trial in results.trials()}
    for trial in results.trials():
        made, history, record = runs[trial.name], read_history(trial), read_record(trial)
        assert made.data.params["seed"] == str(record.seed)
        assert made.info.artifact_uri.startswith(folder.as_uri())
        for stage in history["stage"].unique():
            rows = history.filter(stage=stage)
            curve = client.get_metric_history(made.info.run_id, f"{stage}/loss")
            assert [(point.step, point.value) for point in curve] == list(
                zip(rows["epoch"].to_list(), rows["loss"].to_list(), strict=True)
            )
        points = client.get_metric_history(made.info.run_id, "test by depth/ndcg_at_10")
        assert {str(point.step): point.value for point in points} == {
            depth: values["ndcg@10"] for depth, values in record.metrics["test"].items()
        }


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_mlflow_gets_names_that_it_allows(tmp_path: Path) -> None:
    """A model of one's own may call its loss as it likes."""
    tracking = pytest.importorskip("mlflow.tracking")
    suite = make_suite(tmp_path / "results", [Made("A")], seeds=[1], proposed=[])
    results = Results(tmp_path / "results")
    path = results.trial(suite.trials[0].trial) / "history.parquet"
    pl.read_parquet(path).rename({"loss": "KL(q|p) β"}).write_parquet(path)
    export(results, "mlflow", tmp_path / "runs")
    client = tracking.MlflowClient(tracking_uri=(tmp_path / "runs").as_uri())
    (made,) = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    assert "supervised/KL_q_p_ _" in made.data.metrics


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_offline_runs_of_wandb_hold_every_curve(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    folder = tmp_path / "runs"
    export(results, "wandb", folder)
    names = set()
    for path in folder.rglob("*.wandb"):
        rows = list[dict[str, float]]()
        for content in logged(path.read_bytes()):
            record = Record()
            record.ParseFromString(content)
            if record.run.display_name:
                name = record.run.display_name.rpartition("/")[2]
            items = {(item.key or item.nested_key[0]): item.value_json for item in record.history.item}
            rows.append({key: json.loads(value) for key, value in items.items()})
        names.add(name)
        history = read_history(results.trial(name))
        for stage, epoch, loss in history.select("stage", "epoch", "loss").iter_rows():
            assert any(
                row.get(f"{stage}/epoch") == epoch and row[f"{stage}/loss"] == pytest.approx(loss)
                for row in rows
            )
        depths = read_record(results.trial(name)).metrics["test"]
        assert {row["test by depth/depth"] for row in rows if "test by depth/depth" in row} == set(
            map(int, depths)
        )
    assert names == {trial.name for trial in results.trials()}
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


BLOCK = 32768
FILE_HEAD, PART_HEAD = 7, 7  # bytes


def logged(content: bytes) -> Iterator[bytes]:
    """Read the records of a file in the form of LevelDB's log, in which wandb writes.

    Every part has a checksum of 4 bytes, its length in 2, and its kind in 1: whole, first, middle, last.
    """
    place, parts = FILE_HEAD, b""
    while place + PART_HEAD <= len(content):
        if BLOCK - place % BLOCK < PART_HEAD:  # no part begins so near to the end of a block
            place += BLOCK - place % BLOCK
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        parts += content[place + PART_HEAD : place + PART_HEAD + length]
        place += PART_HEAD + length
        if kind in (1, 4):
            yield parts
            parts = b""


@pytest.mark.parametrize(("program", "extra"), [("mlflow", "mlflow"), ("wandb", "wandb")])
def test_without_the_program(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, extra: str
) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == program]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, program, None)
    with pytest.raises(RequestError) as refused:
        export(results, program, tmp_path / "x")
    assert refused.value.remedy == f"pip install 'lrbench[{extra}]'"
    assert not (tmp_path / "x").exists()


def test_an_option_that_is_called_seed_does_not_hide_the_seed(results: Results) -> None:
    trial = next(iter(runs_of(find_suite_record(results, "demo"), results).values()))
    record = trial.record.model_copy(update={"seed": 1, "params": {"seed": 5, "width": 8}})
    settings = settings_of(replace(trial, record=record))
    assert (settings["seed"], settings["option seed"], settings["width"]) == (1, 5, 8)
    assert settings["label"] == trial.cell.label


def test_the_time_of_an_epoch_is_after_all_epochs_before_it(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], seeds=[1], proposed=[])
    ((trial,), _) = finished_trials(suite, Results(tmp_path))
    path = trial.folder / "history.parquet"
    pl.read_parquet(path).with_columns(seconds=pl.lit(2.0)).write_parquet(path)
    times = [point.time for point in scalars(trial) if point.tag == "supervised/loss"]
    assert times == [trial.record.started.timestamp() + 2 * epoch for epoch in range(1, 13)]
