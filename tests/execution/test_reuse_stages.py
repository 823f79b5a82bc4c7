"""Trials reuse the stages that another trial has trained, and end as if they had trained them."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from filelock import FileLock
from plans import plan
from safetensors.torch import load_file, save_file
from small_data import LARES, order, trial_config

from lrbench.config.trial import TrialConfig
from lrbench.execution.events import Event, TrialBusy
from lrbench.execution.trial import run_trial
from lrbench.execution.workers.worker import perform
from lrbench.store.layout import Results
from lrbench.store.seal import sealed_json
from lrbench.store.trials import read_history, read_ranks, read_record
from lrbench.training.news import EpochDone

pytestmark = pytest.mark.slow  # each test trains trials


def epochs_run(config: TrialConfig, walks_folder: Path, results: Path, **changes: Any) -> int:
    """Perform a trial and count the epochs that it trained."""
    events: list[Event] = []
    assert perform(order(config, walks_folder, results, **changes), events.append)
    return sum(isinstance(event, EpochDone) for event in events)


def ranks_of(config: TrialConfig, results: Path) -> pl.DataFrame:
    return read_ranks(Results(results).trial(config.id)).collect().sort("split", "user", "depth", "draw")


def history_of(config: TrialConfig, results: Path) -> pl.DataFrame:
    history = read_history(Results(results).trial(config.id))
    return history.select("stage", "epoch", "loss", "validation_metric")


def trained_in(config: TrialConfig, results: Path) -> list[str | None]:
    return [stage.trained_in for stage in read_record(Results(results).trial(config.id)).stages]


SMALL = {"max_epochs": 2, "batch_size": 512, "depths": (2,)}
"""Two steps an epoch."""

FIRST, BOTH = trial_config("lares", stages=("spt",), **SMALL), trial_config("lares", **SMALL)


@pytest.fixture(scope="module")
def alone(walks_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results in which the trial with both stages was trained by itself; only to be read."""
    folder = tmp_path_factory.mktemp("alone")
    assert epochs_run(BOTH, walks_folder, folder) == 4
    return folder


@pytest.fixture(scope="module")
def first_trained(walks_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with the first stage alone; only to be copied."""
    folder = tmp_path_factory.mktemp("first")
    assert epochs_run(FIRST, walks_folder, folder) == 2
    return folder


@pytest.fixture
def shared(first_trained: Path, tmp_path: Path) -> Path:
    """Results of the test's own, in which the first stage is trained."""
    return shutil.copytree(first_trained, tmp_path / "shared")


def test_the_first_stages_are_taken_over_and_nothing_differs(
    walks_folder: Path, alone: Path, shared: Path
) -> None:
    assert epochs_run(BOTH, walks_folder, shared) == 2
    assert trained_in(BOTH, alone) == [None, None]
    assert trained_in(BOTH, shared) == [FIRST.id, None]
    assert ranks_of(BOTH, alone).equals(ranks_of(BOTH, shared))
    assert history_of(BOTH, alone).equals(history_of(BOTH, shared))
    first, both = (read_record(Results(shared).trial(config.id)) for config in (FIRST, BOTH))
    assert both.stages[0].seconds == first.train_seconds
    assert both.train_seconds == sum(stage.seconds for stage in both.stages) > first.train_seconds


def test_an_interrupted_trial_remembers_what_it_took_over(
    walks_folder: Path, alone: Path, shared: Path
) -> None:
    def interrupt(report: EpochDone) -> None:
        raise KeyboardInterrupt  # after the first epoch of the second stage

    with pytest.raises(KeyboardInterrupt):
        run_trial(order(BOTH, walks_folder, shared), interrupt)
    assert epochs_run(BOTH, walks_folder, shared) == 1  # the first was saved
    assert trained_in(BOTH, shared) == [FIRST.id, None]
    assert history_of(BOTH, shared).equals(history_of(BOTH, alone))
    assert ranks_of(BOTH, shared).equals(ranks_of(BOTH, alone))


def test_weights_that_became_complete_meanwhile_are_used_instead_of_a_checkpoint(
    walks_folder: Path, alone: Path, shared: Path
) -> None:
    """A control was interrupted in a stage that its model's own trial has finished since."""
    noisy = BOTH.model_copy(update={"evaluation": BOTH.evaluation.model_copy(update={"latents": "noise"})})

    def interrupt(report: EpochDone) -> None:
        raise KeyboardInterrupt  # after the first epoch of the second stage

    with pytest.raises(KeyboardInterrupt):
        run_trial(order(noisy, walks_folder, shared), interrupt)
    trained = shutil.copytree(shared, shared.with_name("trained"))
    assert epochs_run(noisy, walks_folder, trained) == 1
    shutil.copytree(Results(alone).trial(BOTH.id), Results(shared).trial(BOTH.id))
    assert epochs_run(noisy, walks_folder, shared) == 0
    assert trained_in(noisy, shared) == [BOTH.id, BOTH.id]
    assert not Results(shared).running(noisy.id).exists()
    for read in (ranks_of, history_of):
        assert read(noisy, shared).equals(read(noisy, trained))


@pytest.mark.parametrize(
    "other",
    [
        trial_config("lares", stages=("spt",), **SMALL, seed=2),
        trial_config("lares", stages=("spt",), **SMALL, learning_rate=0.01),
        trial_config(
            "lares", stages=("spt",), **SMALL | {"depths": (2, 3)}, params=LARES | {"mean_depth": 3}
        ),
        trial_config("lares", stages=("rpt",), **SMALL),
    ],
    ids=["seed", "training", "params", "stage"],
)
def test_what_began_otherwise_is_left_alone(other: TrialConfig, walks_folder: Path, tmp_path: Path) -> None:
    epochs_run(other, walks_folder, tmp_path)
    assert epochs_run(BOTH, walks_folder, tmp_path) == 4
    assert trained_in(BOTH, tmp_path) == [None, None]


def test_training_from_the_start_takes_nothing_over(walks_folder: Path, shared: Path) -> None:
    assert epochs_run(BOTH, walks_folder, shared, since=datetime.now(UTC)) == 4


def test_a_record_of_another_version_is_passed_over(walks_folder: Path, shared: Path) -> None:
    results = Results(shared)
    record = results.trial(FIRST.id) / "trial.json"
    record.write_text(record.read_text(encoding="utf-8").replace('"stages"', '"phases"'), encoding="utf-8")
    assert epochs_run(BOTH, walks_folder, shared) == 4
    assert "its digest does not match" in (results.trial(BOTH.id) / "log.txt").read_text(encoding="utf-8")


def test_weights_with_other_names_are_passed_over(walks_folder: Path, alone: Path, shared: Path) -> None:
    path = Results(shared).trial(FIRST.id) / "weights.safetensors"
    (first, value), *others = load_file(path).items()
    save_file({f"old.{first}": value, **dict(others)}, path)
    assert epochs_run(BOTH, walks_folder, shared) == 4
    assert trained_in(BOTH, shared) == [None, None]
    assert ranks_of(BOTH, alone).equals(ranks_of(BOTH, shared))


def test_a_whole_trial_is_used_although_another_with_the_same_stages_is_damaged(
    walks_folder: Path, alone: Path, shared: Path
) -> None:
    """The two have different evaluations. Each of them is the damaged one in turn."""
    noisy = FIRST.model_copy(update={"evaluation": FIRST.evaluation.model_copy(update={"latents": "noise"})})
    assert epochs_run(noisy, walks_folder, shared) == 0
    for damaged in (FIRST.id, noisy.id):
        results = shutil.copytree(shared, shared.with_name(damaged))
        (Results(results).trial(damaged) / "weights.safetensors").write_bytes(b"")
        assert epochs_run(BOTH, walks_folder, results) == 2
        assert trained_in(BOTH, results) == [FIRST.id, None]
        assert ranks_of(BOTH, alone).equals(ranks_of(BOTH, results))


def test_memory_counts_what_the_stages_taken_over_needed(walks_folder: Path, shared: Path) -> None:
    path = Results(shared).trial(FIRST.id) / "trial.json"
    record = read_record(path.parent).model_copy(update={"peak_memory_bytes": 1 << 50})
    path.write_text(sealed_json(record), encoding="utf-8")
    epochs_run(BOTH, walks_folder, shared)
    assert read_record(Results(shared).trial(BOTH.id)).peak_memory_bytes == 1 << 50


def test_noise_only_takes_all_weights_of_its_model(walks_folder: Path, tmp_path: Path) -> None:
    own = trial_config("lares", params=LARES | {"start": "zero"}, **SMALL | {"depths": (0, 1, 2, 3)})
    noisy = own.model_copy(update={"evaluation": own.evaluation.model_copy(update={"latents": "noise"})})
    assert epochs_run(own, walks_folder, tmp_path) == 4
    assert epochs_run(noisy, walks_folder, tmp_path) == 0
    assert trained_in(noisy, tmp_path) == [own.id, own.id]
    histories = [read_history(Results(tmp_path).trial(config.id)) for config in (own, noisy)]
    assert histories[0].equals(histories[1])
    by_depth = [
        [ranks_of(config, tmp_path).filter(pl.col("depth") == depth)["rank"] for config in (own, noisy)]
        for depth in (0, 1, 2, 3)
    ]
    assert [first.equals(second) for first, second in by_depth] == [True, True, False, False]


def test_a_trial_is_busy_while_another_process_trains_its_first_stage(
    walks_folder: Path, tmp_path: Path
) -> None:
    results, events = Results(tmp_path), list[Event]()
    lock = results.training_lock(FIRST.training_ids[0])
    lock.parent.mkdir(parents=True)
    with FileLock(lock):  # as another process holds it while it trains the first stage
        assert perform(order(BOTH, walks_folder, tmp_path), events.append)
        assert events == [TrialBusy(trial=BOTH.id, reason="another process trains stages that it reuses")]
        assert not results.running(BOTH.id).exists()
        run_trial(order(FIRST, walks_folder, tmp_path), lambda news: None)
    assert epochs_run(BOTH, walks_folder, tmp_path) == 2
    assert trained_in(BOTH, tmp_path) == [FIRST.id, None]


def test_a_trial_goes_on_with_the_threads_of_the_stages_that_it_reuses(
    walks_folder: Path, alone: Path, tmp_path: Path
) -> None:
    results = Results(shutil.copytree(alone, tmp_path / "copy"))
    path = results.trial(BOTH.id) / "trial.json"
    record = read_record(path.parent).model_copy(update={"threads": 2})
    path.write_text(sealed_json(record), encoding="utf-8")
    noisy = BOTH.model_copy(update={"evaluation": BOTH.evaluation.model_copy(update={"latents": "noise"})})
    assert epochs_run(noisy, walks_folder, results.root, threads=1) == 0
    assert read_record(results.trial(noisy.id)).threads == 2


def test_trials_that_take_over_stand_behind_those_that_train() -> None:
    both = {"label": "both", "model": "lares", "controls": ["noise-only"]}
    first = {"label": "first", "extends": "both", "stages": ["spt"], "controls": []}
    made = plan(both, first, {"label": "SASRec", "model": "sasrec"}, seeds=[1])
    labels = [trial.labels[0] for trial in made.trials]
    assert labels == ["first", "SASRec", "both", "both: noise only"]
    assert [(trial.reused, trial.reused_from) for trial in made.trials] == [
        (0, None),
        (0, None),
        (1, "first"),
        (2, "both"),
    ]
