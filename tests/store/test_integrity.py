"""Trials and suites that are not what was written are refused before a number of theirs is shown."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from synthetic_results import Made, make_ranks, make_suite, sealed_trial, write_trial

from lrbench.errors import CheckError, LrbenchError
from lrbench.report.build import build_report
from lrbench.report.curves import make_curves
from lrbench.store.frames import finished_trials
from lrbench.store.integrity import stored_faults
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord, read_suite
from lrbench.store.trials import read_record

A, B = Made("A", 1.0), Made("B")


@pytest.fixture
def suite(tmp_path: Path) -> SuiteRecord:
    """A suite of trials with digests."""
    record = make_suite(tmp_path, [A, B], proposed=["A"])
    for cell in record.trials:
        sealed_trial(tmp_path, cell.trial)
    return record


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def set_at(*keys: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one value of a JSON file."""

    def change(values: Any) -> None:
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = to

    return change


def without(*keys: str) -> Callable[[dict[str, Any]], None]:
    """A change that takes fields out."""

    def change(values: dict[str, Any]) -> None:
        for key in keys:
            del values[key]

    return change


def test_what_was_written_is_shown(suite: SuiteRecord, tmp_path: Path) -> None:
    assert build_report(suite, Results(tmp_path)).rows
    assert not [fault for path in Results(tmp_path).trials() for fault in stored_faults(path)]


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def ranks_changed(change: pl.Expr) -> Callable[[Path], None]:
    return lambda path: pl.read_parquet(path).with_columns(change).write_parquet(path)


RANK_DAMAGES = {
    "halved": ranks_changed(pl.col("rank") / 2 + 0.5),
    "all first": ranks_changed(pl.lit(1.0).alias("rank")),
    "users exchanged": ranks_changed(pl.col("rank").reverse().over("split")),
    "missing": ranks_changed(pl.lit(None, pl.Float64).alias("rank")),
    "not a number": ranks_changed(pl.lit(float("nan")).alias("rank")),
    "below 1": ranks_changed(pl.lit(0.5).alias("rank")),
    "text": ranks_changed(pl.col("rank").cast(pl.String)),
    "other depth": ranks_changed(pl.lit(3, pl.Int32).alias("depth")),
    "of another model": lambda path: make_ranks(B, "sample", 2).write_parquet(path),
}


@pytest.mark.parametrize("damage", [*RANK_DAMAGES.values(), flip_a_bit], ids=[*RANK_DAMAGES, "a flipped bit"])
def test_changed_ranks_are_refused(
    damage: Callable[[Path], None], suite: SuiteRecord, tmp_path: Path
) -> None:
    folder = Results(tmp_path).trial(suite.trials[1].trial)
    damage(folder / "ranks.parquet")
    with pytest.raises(LrbenchError, match=r"ranks\.parquet"):
        build_report(suite, Results(tmp_path))
    assert stored_faults(folder)


@pytest.mark.parametrize("damage", RANK_DAMAGES.values(), ids=RANK_DAMAGES)
def test_changed_ranks_of_an_earlier_version_are_refused(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    """Without digests, the means no longer equal those of trial.json. Only exchanged users keep the means."""
    suite = make_suite(tmp_path, [A, B], proposed=["A"])
    path = Results(tmp_path).trial(suite.trials[1].trial) / "ranks.parquet"
    same_means = damage is RANK_DAMAGES["users exchanged"]
    damage(path)
    if same_means:
        assert build_report(suite, Results(tmp_path)).rows
    else:
        with pytest.raises(LrbenchError, match=r"ranks\.parquet"):
            build_report(suite, Results(tmp_path))


def test_a_mean_of_an_earlier_version_that_was_changed_in_a_late_digit_is_refused(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [A, B], proposed=["A"])
    path = Results(tmp_path).trial(suite.trials[1].trial) / "trial.json"
    mean = json.loads(path.read_text(encoding="utf-8"))["metrics"]["test"]["0"]["ndcg@10"]
    rewrite(path, without("digest", "digests"))
    assert build_report(suite, Results(tmp_path)).rows
    rewrite(path, set_at("metrics", "test", "0", "ndcg@10", to=mean * (1 + 1e-7)))
    with pytest.raises(CheckError, match=r"gives a test ndcg@10 of"):
        build_report(suite, Results(tmp_path))


RECORD_CHANGES = {
    "id": set_at("id", to="another"),
    "seed": set_at("seed", to=9),
    "params": set_at("params", "label", to="other"),
    "config": set_at("config", "params", "label", to="other"),
    "protocol": set_at("protocol", "max_length", to=50),
    "dataset": set_at("dataset", "name", to="ml-1m"),
    "fingerprint": set_at("dataset", "fingerprint", to="beef"),
    "depth": set_at("depth", to=2),
    "draws": set_at("draws", to=2),
    "deterministic": set_at("deterministic", to=True),
    "stages": set_at("stages", to=[]),
    "threads": set_at("threads", to=0),
    "many threads": set_at("threads", to=10**9),
    "flops": set_at("flops_per_user", to=-1.0),
}
UNSEEN_BY_FIELDS = {
    "synthetic": set_at("dataset", "synthetic", to=False),
    "edition": set_at("dataset", "edition", to="a real one"),
    "parameters": set_at("parameters", to=1),
    "metrics": set_at("metrics", "test", "0", "ndcg@10", to=0.9),
}


@pytest.mark.parametrize("sealed", [True, False], ids=["with digests", "of an earlier version"])
@pytest.mark.parametrize("change", RECORD_CHANGES.values(), ids=RECORD_CHANGES)
def test_a_record_that_contradicts_itself_is_refused(
    change: Callable[[dict[str, Any]], None], sealed: bool, tmp_path: Path
) -> None:
    trial = write_trial(tmp_path, A, "sample", 1)
    if sealed:
        sealed_trial(tmp_path, trial)
    folder = Results(tmp_path).trial(trial)
    rewrite(folder / "trial.json", change)
    with pytest.raises(LrbenchError, match=r"trial\.json"):
        read_record(folder)


@pytest.mark.parametrize("change", UNSEEN_BY_FIELDS.values(), ids=UNSEEN_BY_FIELDS)
def test_a_changed_record_is_refused(
    change: Callable[[dict[str, Any]], None], suite: SuiteRecord, tmp_path: Path
) -> None:
    rewrite(Results(tmp_path).trial(suite.trials[0].trial) / "trial.json", change)
    with pytest.raises(CheckError, match="its digest does not match"):
        build_report(suite, Results(tmp_path))


def test_exchanged_and_copied_folders_are_refused(suite: SuiteRecord, tmp_path: Path) -> None:
    results = Results(tmp_path)
    first, second = (results.trial(cell.trial) for cell in suite.trials[:2])
    first.rename(tmp_path / "aside")
    shutil.copytree(second, first)
    with pytest.raises(CheckError, match=f"is the record of another trial, {second.name}"):
        build_report(suite, results)


def test_a_trial_of_another_seed_in_a_cell_is_refused(suite: SuiteRecord, tmp_path: Path) -> None:
    first, second, *others = suite.trials
    wrong = first.model_copy(update={"trial": second.trial})
    with pytest.raises(CheckError, match=r"with seed 1 from the trial .*, which is of sample with seed 2"):
        build_report(suite.model_copy(update={"trials": (wrong, second, *others)}), Results(tmp_path))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (set_at("primary_metric", to="recall@10"), "its digest does not match"),
        (set_at("protocol", "mask_seen", to=True), "its digest does not match"),
        (set_at("trials", 0, "label", to="B"), "its digest does not match"),
    ],
    ids=["metric", "mask", "label"],
)
def test_a_changed_suite_is_refused(
    change: Callable[[dict[str, Any]], None], why: str, suite: SuiteRecord, tmp_path: Path
) -> None:
    path = Results(tmp_path).suite(suite.name)
    rewrite(path, change)
    with pytest.raises(CheckError, match=why):
        read_suite(path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (set_at("datasets", to=[]), "no datasets or no rows"),
        (set_at("trials", 0, "label", to="C"), "of a label or a dataset that it does not have"),
        (set_at("trials", 0, "seed", to=2), 'two trials for "A" on sample with seed 2'),
        (set_at("trials", 0, "trial", to="../../x"), r"its trial \.\./\.\./x is no name of a folder"),
    ],
    ids=["datasets", "label", "twice", "outside"],
)
def test_a_suite_of_an_earlier_version_that_contradicts_itself_is_refused(
    change: Callable[[dict[str, Any]], None], why: str, suite: SuiteRecord, tmp_path: Path
) -> None:
    path = Results(tmp_path).suite(suite.name)
    rewrite(path, without("digest"))
    rewrite(path, change)
    with pytest.raises(CheckError, match=why):
        read_suite(path)


def test_trials_and_suites_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [A, B], proposed=["A"])
    rewrite(Results(tmp_path).suite(suite.name), without("digest"))
    for cell in suite.trials:
        rewrite(Results(tmp_path).trial(cell.trial) / "trial.json", without("digest", "digests"))
    assert build_report(read_suite(Results(tmp_path).suite(suite.name)), Results(tmp_path)).rows


def test_the_record_of_another_suite_is_refused(suite: SuiteRecord, tmp_path: Path) -> None:
    results = Results(tmp_path)
    shutil.copy(results.suite(suite.name), results.suite("other"))
    with pytest.raises(CheckError, match=rf"damaged: it is the record of the suite {suite.name}"):
        read_suite(results.suite("other"))


def test_the_history_of_another_trial_is_refused(suite: SuiteRecord, tmp_path: Path) -> None:
    """The runs of one model have histories alike, from which reports tell whether training had ended."""
    finished, _ = finished_trials(suite, Results(tmp_path))
    first, second, *_ = finished
    rewritten = second.history().with_columns(pl.col("loss") + 1)
    rewritten.write_parquet(first.folder / "history.parquet")
    with pytest.raises(CheckError, match=r"history\.parquet was changed after the trial wrote it"):
        list(make_curves([first]))
    assert list(make_curves([second]))
