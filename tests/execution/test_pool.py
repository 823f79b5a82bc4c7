"""Where trials run, and what an interrupt leaves. Running them is tested with the command."""

import os
import threading
from pathlib import Path

import pytest
import torch
from small_data import order, trial_config

from lrbench.errors import RequestError
from lrbench.execution import pool
from lrbench.execution.events import Event
from lrbench.execution.pool import Slot, choose_slots, run_pool
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.training.news import EpochDone

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def gpus_of(*wishes: object) -> list[str]:
    slots = choose_slots(*wishes, trials=9)  # type: ignore[arg-type]
    assert {slot.device for slot in slots} == {"cuda"}
    assert {slot.threads for slot in slots} == {max(1, CORES // len(slots))}
    return [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots]


@pytest.mark.usefixtures("four_gpus")
def test_every_gpu_has_a_worker() -> None:
    assert gpus_of([0, 1], None, None) == ["0", "1"]
    assert gpus_of([3, 3], None, None) == ["3"]
    assert gpus_of([], "cuda", None) == ["0"]


@pytest.mark.usefixtures("four_gpus")
def test_workers_are_dealt_out_over_gpus() -> None:
    assert gpus_of([0, 2], None, 5) == ["0", "2", "0", "2", "0"]
    assert gpus_of([0, 2], None, 1) == ["0"]


@pytest.mark.usefixtures("four_gpus")
def test_numbers_count_the_gpus_that_a_scheduler_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6,GPU-7f,7")
    assert gpus_of([0, 2], None, None) == ["4", "GPU-7f"]


def test_workers_share_the_cores() -> None:
    assert [slot.threads for slot in choose_slots([], None, 2 * CORES, trials=1)] == [1] * 2 * CORES
    assert [slot.threads for slot in choose_slots([], "cpu", 1, trials=5)] == [CORES]
    assert len(choose_slots([], None, None, trials=1)) == 1
    assert len(choose_slots([], None, None, trials=1000)) == CORES


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize(
    ("wishes", "message"),
    [(([4], None, None), "There is no GPU 4"), (([0], "cpu", None), "contradict")],
)
def test_wishes_that_cannot_be(wishes: tuple[object, ...], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        choose_slots(*wishes, trials=1)  # type: ignore[arg-type]


def test_an_interrupt_is_no_failure(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = trial_config(max_epochs=1000, patience=1000)
    recorded: list[object] = []

    def record(*failure: object) -> Path:
        recorded.append(failure)
        return tmp_path

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            raise KeyboardInterrupt

    monkeypatch.setattr(pool, "record_failure", record)
    with pytest.raises(KeyboardInterrupt):
        run_pool([order(config, walks_folder, tmp_path)], [Slot("cpu", 1)], interrupt)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, pool._SlotRunner)]
    assert not recorded
    assert trial_state(Results(tmp_path), config.id) == "interrupted"


def test_a_worker_that_starts_during_the_interrupt_is_ended(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupt comes between the moment an order is taken and the one its worker is there."""
    looked, started = threading.Event(), []
    start = pool._SlotRunner._start

    def late_start(server: pool._SlotRunner) -> object:
        looked.wait(10)
        started.append(start(server))
        return started[-1]

    def interrupt(_: object) -> None:
        threading.Timer(0.2, looked.set).start()
        raise KeyboardInterrupt

    monkeypatch.setattr(pool._SlotRunner, "_start", late_start)
    monkeypatch.setattr(pool, "_next", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_pool([order(trial_config(), walks_folder, tmp_path)], [Slot("cpu", 1)], lambda event: None)
    (worker,) = started
    assert worker.poll() is not None
