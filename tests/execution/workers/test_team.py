"""Two processes that share a trial give the results of one, count no user twice, and survive a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file
from small_data import LARES, SASREC, order, small_dataset, trial_config

from lrbench.config.trial import TrialConfig
from lrbench.data.dataset import write_prepared
from lrbench.execution.events import Event, TrialDied, TrialDone, TrialFailed, TrialNote, TrialStopped
from lrbench.execution.perform import perform
from lrbench.execution.trial import run_trial
from lrbench.execution.workers import team
from lrbench.store.layout import CHECKPOINT_FILE, RANKS_FILE, WEIGHTS_FILE, Results
from lrbench.store.trials import read_history, read_record
from lrbench.training.checkpoint import load_checkpoint
from lrbench.training.news import EpochDone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

DATASET = small_dataset(users=700)  # two chunks of users to rank


def config(**settings: object) -> TrialConfig:
    """A trial in which only the order of batches is random. The last batch of an epoch is small."""
    params = {**SASREC, "dropout": 0.0, "attention_dropout": 0.0}
    plain = trial_config(params=params, max_epochs=2, batch_size=1000, **settings)
    return plain.model_copy(update={"fingerprint": DATASET.record.fingerprint})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    write_prepared(DATASET, folder)
    return folder


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the trial, trained by one process."""
    results = tmp_path_factory.mktemp("alone")
    perform(order(config(), data, results), lambda event: None)
    return Results(results).trial(config().id)


def assert_alike(folder: Path, alone: Path) -> None:
    """All numbers equal those of one process up to the order of additions. Each target is ranked once."""
    losses = [read_history(each)["loss"].to_numpy() for each in (folder, alone)]
    assert np.allclose(*losses, rtol=1e-5)
    weights = [load_file(each / WEIGHTS_FILE) for each in (folder, alone)]
    assert weights[0].keys() == weights[1].keys()
    assert all(np.allclose(weights[0][name], weights[1][name], atol=2e-4) for name in weights[0])
    names = ["split", "user", "target", "depth", "draw"]
    ranks = [pl.read_parquet(each / RANKS_FILE) for each in (folder, alone)]
    assert ranks[0].select(names).equals(ranks[1].select(names))
    assert ranks[0].select(names).is_unique().all()
    assert (ranks[0]["rank"] - ranks[1]["rank"]).abs().mean() < 0.05
    assert ranks[0]["rank"].min() >= 1


def test_two_processes_give_the_numbers_of_one(data: Path, alone: Path, tmp_path: Path) -> None:
    events = list[Event]()
    assert perform(order(config(), data, tmp_path, processes=2), events.append)
    assert isinstance(events[-1], TrialDone)
    folder = Results(tmp_path).trial(config().id)
    assert_alike(folder, alone)
    assert (read_record(folder).processes, read_record(alone).processes) == (2, 1)


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("lares", LARES | {"dropout": 0.0, "start": "zero", "step_sampler": "uniform"}),
        ("esasrec", {"width": 16, "dropout": 0.0, "input_dropout": 0.0, "shared_negatives": True}),
    ],
)
def test_all_processes_draw_alike_what_a_step_draws_for_its_batch(
    model: str, params: dict[str, object], data: Path, tmp_path: Path
) -> None:
    """Three processes draw what two draw: numbers of steps, dropped items, shared negatives."""
    plain = trial_config(model, params=params, stages=("supervised",), max_epochs=2, batch_size=1000)
    trial = plain.model_copy(update={"fingerprint": DATASET.record.fingerprint})
    folders = []
    for count in (2, 3):
        events = list[Event]()
        assert perform(order(trial, data, tmp_path / str(count), processes=count), events.append), events
        folders.append(Results(tmp_path / str(count)).trial(trial.id))
    assert_alike(*folders)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_killed_process_costs_an_epoch(data: Path, alone: Path, tmp_path: Path) -> None:
    events = list[Event]()

    def kill_once(event: Event) -> None:
        events.append(event)
        if isinstance(event, EpochDone):
            lists = Path(f"/proc/{os.getpid()}/task").glob("*/children")
            for child in " ".join(path.read_text(encoding="ascii") for path in lists).split():
                if b"workers.helper" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)

    shared = order(config(), data, tmp_path, processes=2)
    assert not perform(shared, kill_once)
    assert isinstance(events[-1], TrialDied)
    assert events[-1].reason == "a process that shared it ended with code -9"
    perform(shared, events.append)
    assert isinstance(events[-1], TrialDone)
    folder = Results(tmp_path).trial(config().id)
    assert read_record(folder).resumed == 1
    assert_alike(folder, alone)


def test_a_loss_that_is_not_finite_in_every_process_fails_the_trial(data: Path, tmp_path: Path) -> None:
    events = list[Event]()
    perform(order(config(learning_rate=1e30), data, tmp_path, processes=2), events.append)
    assert isinstance(events[-1], TrialFailed)
    assert "became NaN or infinite" in events[-1].reason or "loss became nan" in events[-1].reason


def test_what_ends_the_first_process_alone_is_told_as_it_is(data: Path, tmp_path: Path) -> None:
    def out_of_memory(news: EpochDone) -> None:
        raise torch.OutOfMemoryError("no memory is left")

    with pytest.raises(torch.OutOfMemoryError, match="no memory is left"):
        run_trial(order(config(), data, tmp_path, processes=2), out_of_memory)


def test_a_shared_trial_stops_and_one_whose_checkpoint_cannot_be_used_starts_again(
    data: Path, alone: Path, tmp_path: Path
) -> None:
    events, shared = list[Event](), order(config(), data, tmp_path, processes=2)
    perform(shared, events.append, lambda: True)
    assert isinstance(events[-1], TrialStopped)
    path = Results(tmp_path).running(config().id) / CHECKPOINT_FILE
    checkpoint = load_checkpoint(path, config().id)
    assert checkpoint is not None
    checkpoint.weights = {f"old.{name}": value for name, value in checkpoint.weights.items()}
    checkpoint.save(path)
    perform(shared, events.append)
    assert isinstance(events[-1], TrialDone), events[-1]
    (note,) = [event.text for event in events if isinstance(event, TrialNote)]
    assert note.endswith("The trial starts again.")
    assert_alike(Results(tmp_path).trial(config().id), alone)


@pytest.mark.skipif(sys.platform == "win32", reason="a process has no signals")
def test_of_several_ends_a_signal_is_told_and_those_that_live_are_awaited_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(team, "_ENDS_WITHIN", 0.5)
    codes = ["import time; time.sleep(60)"] * 3
    living = [subprocess.Popen([sys.executable, "-c", code], text=True) for code in codes]
    ended = [
        subprocess.Popen([sys.executable, "-c", code], text=True)
        for code in ("exit(1)", "import os; os.kill(os.getpid(), 9)")
    ]
    try:
        started = time.monotonic()
        assert team._what_died(living) == "a process that shared it does not answer"
        assert time.monotonic() - started < 1.0
        for process in ended:
            process.wait()
        assert team._what_died([*living, *ended]) == "a process that shared it ended with code -9"
    finally:
        for process in living:
            process.kill()
            process.wait()
