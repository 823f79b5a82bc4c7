"""Two processes that share a trial give the results of one, count no user twice, and survive a kill."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from small_data import SASREC, order, small_dataset, trial_config

from lrbench.config.trial import TrialConfig
from lrbench.data.dataset import write_prepared
from lrbench.execution.events import Event, TrialDied, TrialDone
from lrbench.execution.perform import perform
from lrbench.store.layout import RANKS_FILE, WEIGHTS_FILE, Results
from lrbench.store.trials import read_history, read_record
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
