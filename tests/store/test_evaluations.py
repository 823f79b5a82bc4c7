"""Ranks that were made after a run are kept beside the trial and read with its own."""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from synthetic_results import Made, make_ranks, make_suite, rewrite_record

from lrbench.cli.evaluated import check_kept
from lrbench.cli.verify import _evaluation
from lrbench.errors import CheckError, LrbenchError
from lrbench.lock_files import lock_on
from lrbench.store.evaluations import LaterEvaluation, keep_evaluation, read_evaluation
from lrbench.store.find_trial import find_started_trial
from lrbench.store.frames import FinishedTrial, finished_trials
from lrbench.store.layout import LOG_FILE, Results, results_of
from lrbench.store.suites import read_suite
from lrbench.store.tidy import tidy
from lrbench.store.trials import TrialRecord, read_ranks, read_record, write_trial

SHALLOW = Made("A", 1.0, "lares", depth=1, depths=(0, 1))
DEEP = Made("A", 1.5, "lares", depth=1, depths=(1, 2, 4), draws=2)


@pytest.fixture
def trial(tmp_path: Path) -> FinishedTrial:
    """The trial of the only cell, before anything is evaluated."""
    return again(tmp_path, make_suite(tmp_path, [SHALLOW], seeds=[1], proposed=[]).trials[0].trial)


def again(root: Path, trial: str) -> FinishedTrial:
    suite = make_suite(root, [SHALLOW], seeds=[1], proposed=[])
    (found,) = finished_trials(suite, Results(root))[0]
    assert found.record.id == trial
    return found


def keep(
    root: Path, record: TrialRecord, made: Made, intervention: str = "none", divergence: float = 0.5
) -> pl.DataFrame:
    ranks = make_ranks(made, "sample", 1).with_columns(intervention=pl.lit(intervention))
    diverged = {} if intervention == "none" else {intervention: divergence}
    keep_evaluation(Results(root), record, ranks, diverged, "cpu", {"torch": "2"})
    return ranks


def test_further_depths_are_added_and_own_ranks_stay(tmp_path: Path, trial: FinishedTrial) -> None:
    assert trial.evaluation is None
    later = keep(tmp_path, trial.record, DEEP)
    found = again(tmp_path, trial.record.id)
    ranks = found.ranks().collect()
    assert ranks.filter(pl.col("depth") <= 1).equals(read_ranks(trial.folder).collect())
    assert ranks.filter(pl.col("depth") > 1).equals(later.filter(pl.col("depth") > 1))
    assert found.later_depths() == {2, 4}


def test_damage_to_later_ranks_is_told_as_that_of_an_evaluation(tmp_path: Path, trial: FinishedTrial) -> None:
    """The trial itself is sound: nobody shall remove it."""
    keep(tmp_path, trial.record, DEEP)
    found = again(tmp_path, trial.record.id)
    assert found.evaluation is not None
    found.evaluation.ranks_file.write_bytes(b"PAR1")
    with pytest.raises(LrbenchError) as raised:
        found.later_depths()
    assert "evaluate again" in raised.value.remedy


def test_evaluations_add_up_and_the_last_one_of_a_depth_counts(tmp_path: Path, trial: FinishedTrial) -> None:
    keep(tmp_path, trial.record, DEEP)
    last = keep(tmp_path, trial.record, Made("A", 0.2, "lares", depth=4, depths=(4, 8)))
    ranks = again(tmp_path, trial.record.id).ranks().collect()
    assert sorted(ranks["depth"].unique()) == [0, 1, 2, 4, 8]
    assert ranks.filter(depth=4).equals(last.filter(depth=4))


def test_interventions_come_with_their_divergence(tmp_path: Path, trial: FinishedTrial) -> None:
    keep(tmp_path, trial.record, DEEP)
    keep(tmp_path, trial.record, Made("A", depth=1, depths=(1,)), "zero")
    found = again(tmp_path, trial.record.id)
    assert found.divergence == {"zero": 0.5}
    assert set(found.ranks("zero").collect()["depth"]) == {1}
    assert found.later_depths() == {2, 4}


def test_an_intervention_of_the_trial_itself_stays(tmp_path: Path, trial: FinishedTrial) -> None:
    own = make_ranks(Made("A", depth=1, depths=(1,)), "sample", 1).with_columns(intervention=pl.lit("zero"))
    path = trial.folder / "ranks.parquet"
    pl.concat((pl.read_parquet(path), own)).write_parquet(path)
    rewrite_record(tmp_path, trial.record.id, divergence={"zero": 0.1})
    keep(tmp_path, read_record(trial.folder), DEEP)
    keep(tmp_path, read_record(trial.folder), DEEP, "zero")
    (found,), _ = finished_trials(read_suite(Results(tmp_path).suite("demo")), Results(tmp_path))
    assert found.divergence == {"zero": 0.1}
    assert found.ranks("zero").collect().equals(own)


def test_an_intervention_that_is_evaluated_again_is_replaced(tmp_path: Path, trial: FinishedTrial) -> None:
    keep(tmp_path, trial.record, Made("A", depth=1, depths=(1,)), "zero")
    last = keep(tmp_path, trial.record, Made("A", 0.2, depth=1, depths=(1,)), "zero", divergence=0.7)
    found = again(tmp_path, trial.record.id)
    assert found.divergence == {"zero": 0.7}
    assert found.ranks("zero").collect().equals(last)


def test_another_intervention_at_the_same_depth_is_added(tmp_path: Path, trial: FinishedTrial) -> None:
    zero, shuffle = (keep(tmp_path, trial.record, SHALLOW, kind) for kind in ("zero", "shuffle"))
    found = again(tmp_path, trial.record.id)
    assert set(found.divergence) == {"zero", "shuffle"}
    assert found.ranks("zero").collect().equals(zero)
    assert found.ranks("shuffle").collect().equals(shuffle)


def test_two_processes_that_evaluate_a_trial_keep_both_their_depths(
    tmp_path: Path, trial: FinishedTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(results: Results, record: TrialRecord) -> LaterEvaluation | None:
        found = read_evaluation(results, record)
        time.sleep(0.2)  # between reading and writing
        return found

    monkeypatch.setattr("lrbench.store.evaluations.read_evaluation", slow)
    with ThreadPoolExecutor(2) as pool:
        for depth in (2, 4):
            pool.submit(keep, tmp_path, trial.record, replace(DEEP, depths=(depth,)))
    monkeypatch.undo()
    assert again(tmp_path, trial.record.id).later_depths() == {2, 4}


def run_again(root: Path, record: TrialRecord) -> TrialRecord:
    """Replace the trial as ``run --rerun all`` does."""
    results = Results(root)
    log = results.running(record.id) / LOG_FILE
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    ranks, history = read_ranks(results.trial(record.id)).collect(), pl.DataFrame({"epoch": [1]})
    return write_trial(
        results, record.model_copy(update={"train_seconds": 7.0}), ranks, history, lambda path: path.touch()
    )


def test_ranks_of_a_trial_that_was_run_again_meanwhile_are_not_kept(
    tmp_path: Path, trial: FinishedTrial
) -> None:
    run_again(tmp_path, trial.record)
    with pytest.raises(CheckError, match="was run again while it was evaluated"):
        keep(tmp_path, trial.record, DEEP)
    assert not Results(tmp_path).evaluations()


def test_a_trial_that_is_run_again_waits_for_the_process_that_keeps_an_evaluation(
    tmp_path: Path, trial: FinishedTrial
) -> None:
    keep(tmp_path, trial.record, DEEP)
    results = Results(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        with lock_on(results.evaluation_lock(trial.record.id)):
            again = pool.submit(run_again, tmp_path, trial.record)
            time.sleep(0.3)
            assert results.evaluations()
        again.result(timeout=60)
    assert not results.evaluations()


@pytest.mark.parametrize("discard", [tidy, lambda results: check_kept(results.trials()[0])])
def test_an_evaluation_of_an_earlier_run_is_discarded(
    tmp_path: Path, trial: FinishedTrial, discard: Callable[[Results], None]
) -> None:
    """The process that had replaced the trial was killed before it removed the evaluation."""
    results = Results(tmp_path)
    keep(tmp_path, trial.record, DEEP)
    discard(results)
    assert results.evaluations()
    shutil.copytree(tmp_path / "evaluations", tmp_path / "kept")
    run_again(tmp_path, trial.record)
    shutil.copytree(tmp_path / "kept", tmp_path / "evaluations", dirs_exist_ok=True)
    discard(results)
    assert not results.evaluations()


def test_an_evaluation_that_was_changed_is_refused_before_ranking(
    tmp_path: Path, trial: FinishedTrial
) -> None:
    keep(tmp_path, trial.record, DEEP)
    (Results(tmp_path).evaluation(trial.record.id) / "ranks.parquet").write_bytes(b"PAR1")
    with pytest.raises(CheckError, match="was changed"):
        check_kept(trial.folder)


def test_only_evaluations_are_in_their_folder(tmp_path: Path, trial: FinishedTrial) -> None:
    """Locks are where those of trials are."""
    keep(tmp_path, trial.record, DEEP)
    assert [path.name for path in (tmp_path / "evaluations").iterdir()] == [trial.record.id]


def test_what_was_changed_or_belongs_to_another_run_is_refused(tmp_path: Path, trial: FinishedTrial) -> None:
    results, record = Results(tmp_path), trial.record
    keep(tmp_path, record, DEEP)
    folder = results.evaluation(record.id)
    text = (folder / "evaluation.json").read_text(encoding="utf-8")
    (folder / "evaluation.json").write_text(text.replace('"cpu"', '"gpu"'), encoding="utf-8")
    with pytest.raises(CheckError, match="its digest does not match"):
        read_evaluation(results, record)
    (folder / "evaluation.json").write_text(text, encoding="utf-8")
    rewrite_record(tmp_path, record.id, train_seconds=7.0)
    with pytest.raises(CheckError, match="another run of the trial"):
        read_evaluation(results, read_record(trial.folder))
    (folder / "ranks.parquet").write_bytes(b"PAR1")
    with pytest.raises(CheckError, match="was changed"):
        read_evaluation(results, record)
    assert json.loads(text)["trial"] == record.id


def test_an_evaluation_of_trials_on_another_disk_is_kept_in_the_results_folder(
    tmp_path: Path, trial: FinishedTrial
) -> None:
    """``trials`` is a link, also one to the trials of another results folder."""
    (disk := tmp_path / "disk").mkdir()
    (tmp_path / "trials").rename(disk / "trials")
    (tmp_path / "trials").symlink_to(disk / "trials")
    assert results_of(trial.folder) == Results(tmp_path)
    keep(tmp_path, trial.record, DEEP)
    assert _evaluation(trial.folder, trial.record) is not None
    assert find_started_trial(Results(tmp_path), str(trial.folder))[0] == Results(tmp_path)
