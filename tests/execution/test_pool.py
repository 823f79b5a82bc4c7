"""Where trials run, and what an interrupt leaves. Running them is tested with the command."""

import errno
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from small_data import order, trial_config

from lrbench.errors import LrbenchError, RequestError
from lrbench.execution import pool
from lrbench.execution.events import Event, TrialDone, TrialFailed
from lrbench.execution.failures import record_failure
from lrbench.execution.pool import Slot, choose_slots, run_pool
from lrbench.execution.workers import waiting
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


WORKER = """
import sys
from lrbench.execution.trial import TrialOrder
from lrbench.execution.workers import worker

{run}

for line in sys.stdin:
    order = TrialOrder.model_validate_json(line)
    run(order)
"""


def use_worker(monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    """Let slots start a worker that does with each order what the text of ``run`` says."""

    def start(runner: pool._SlotRunner) -> subprocess.Popen[str]:
        runner.messages = tempfile.TemporaryFile()  # noqa: SIM115 - as the runner does
        runner.process = subprocess.Popen(
            [sys.executable, "-c", WORKER.format(run=run)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=runner.messages,
            text=True,
        )
        return runner.process

    monkeypatch.setattr(pool._SlotRunner, "_start", start)


DIES_AT_THE_END = """
def run(order):
    worker.perform(order, lambda event: None)  # the folder is in its place, and nobody hears of it
    sys.exit(9)
"""
LEAVES_RUBBISH = """
def run(order):
    folder = order.results.trial(order.config.id)
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text("{")
    sys.exit(9)
"""
SAYS_NONSENSE = """
def run(order):
    print("no event", flush=True)
"""


def test_a_worker_that_dies_behind_a_complete_trial_has_done_it(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_worker(monkeypatch, DIES_AT_THE_END)
    config, events = trial_config("popularity", seed=0), list[Event]()
    for fresh in (False, True):
        run_pool([order(config, walks_folder, tmp_path, fresh=fresh)], [Slot("cpu", 1)], events.append)
    assert [type(event) for event in events] == [TrialDone, TrialDone]
    assert not Results(tmp_path).failed(config.id).exists()


def test_a_worker_that_dies_and_leaves_a_record_that_cannot_be_read_fails_its_trial(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread may end without a word: trials that reuse its stages would wait for ever."""
    use_worker(monkeypatch, LEAVES_RUBBISH)
    config, events = trial_config("popularity", seed=0), list[Event]()
    run_pool([order(config, walks_folder, tmp_path)], [Slot("cpu", 1)], events.append)
    assert [(event.kind, event.trial) for event in events] == [("failed", config.id)]


def test_what_no_slot_can_run_is_not_done(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(runner: pool._SlotRunner) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(pool._SlotRunner, "_start", refuse)
    configs = [trial_config("popularity", seed=seed) for seed in range(5)]
    orders, events = [order(config, walks_folder, tmp_path) for config in configs], list[Event]()
    with pytest.raises(LrbenchError, match=r"3 trials did not begin.*Too many open files"):
        run_pool(orders, [Slot("cpu", 1), Slot("cpu", 1)], events.append)
    assert sorted(event.trial for event in events) == sorted(config.id for config in configs[:2])
    assert all(isinstance(event, TrialFailed) for event in events)


def test_a_worker_that_says_nonsense_fails_its_trial(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_worker(monkeypatch, SAYS_NONSENSE)
    configs = [trial_config("popularity", seed=seed) for seed in range(2)]
    events = list[Event]()
    with pytest.raises(LrbenchError, match="1 trial did not begin"):
        run_pool(
            [order(config, walks_folder, tmp_path) for config in configs], [Slot("cpu", 1)], events.append
        )
    assert [(event.kind, event.trial) for event in events] == [("failed", configs[0].id)]


def test_a_failure_that_cannot_be_written_is_reported_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "failed").touch()
    event = record_failure(Results(tmp_path), "t", LrbenchError("The loss became nan."))
    assert event.error_file is None
    assert event.reason.startswith("LrbenchError: The loss became nan. (")
    assert "error.txt could not be written: " in event.reason


def test_a_trial_of_another_process_is_told_once_and_free_ones_come_first(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "RETRY_SECONDS", 0.1)
    busy, free = (trial_config(model, seed=0) for model in ("popularity", "markov"))
    lock = FileLock(Results(tmp_path).lock(busy.id), thread_local=False)
    events = list[Event]()

    def watch(event: Event) -> None:
        events.append(event)
        if isinstance(event, TrialDone | TrialFailed) and event.trial == free.id:
            threading.Timer(0.5, lambda: lock.release(force=True)).start()

    Path(lock.lock_file).parent.mkdir(parents=True)
    lock.acquire()
    run_pool([order(config, walks_folder, tmp_path) for config in (busy, free)], [Slot("cpu", 1)], watch)
    assert [(event.kind, event.trial) for event in events if event.kind != "started"] == [
        ("busy", busy.id),
        ("done", free.id),
        ("done", busy.id),
    ]
