"""Where trials run, and what the workers of this machine do. Running suites is tested with the command."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from small_data import order, trial_config

from lrbench.config.trial import TrialConfig
from lrbench.errors import LrbenchError, RequestError
from lrbench.execution.events import Event, TrialDone, TrialFailed, TrialNote
from lrbench.execution.failures import record_failure
from lrbench.execution.local_executor import LocalExecutor
from lrbench.execution.schedule import run_orders
from lrbench.execution.slots import Slot, choose_multi_gpu_slots, choose_slots
from lrbench.execution.workers import waiting
from lrbench.execution.workers.device_sharing import DeviceSharing
from lrbench.execution.workers.process import WorkerProcess
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


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize("order", ["", "FASTEST_FIRST"])
def test_numbers_are_those_of_nvidia_smi_unless_the_person_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    if order:
        monkeypatch.setenv("CUDA_DEVICE_ORDER", order)
    slots = choose_slots([1], None, None, trials=1) + choose_multi_gpu_slots([0, 1], None, 2)
    assert {slot.environment["CUDA_DEVICE_ORDER"] for slot in slots} == {order or "PCI_BUS_ID"}


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


@pytest.mark.usefixtures("four_gpus")
def test_gpus_are_dealt_out_to_trials_that_have_several() -> None:
    slots = choose_multi_gpu_slots([0, 1, 2, 3], None, 2)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots] == ["0,1", "2,3"]
    (slot,) = choose_multi_gpu_slots([], "cuda", 4)
    assert slot.environment["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize(
    ("gpus", "device", "each", "message"),
    [
        ([], None, 2, "needs GPUs"),
        ([0, 1], "cpu", 2, "needs GPUs"),
        ([], "cuda", 5, "asks for 5 GPUs, and this machine has 4"),
        ([0, 1], None, 3, "asks for 3 GPUs, and --gpus names 2"),
        ([0, 1, 2], None, 2, "3 GPUs cannot be divided among trials with 2 each"),
        ([3, 4], None, 2, "There is no GPU 4"),
    ],
)
def test_wishes_for_several_gpus_that_cannot_be(
    gpus: list[int], device: str | None, each: int, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        choose_multi_gpu_slots(gpus, device, each)


def test_a_machine_without_gpus_is_not_told_to_ask_for_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(RequestError, match="this machine has none") as refused:
        choose_multi_gpu_slots([0, 1], None, 2)
    assert refused.value.remedy == "Leave out the options for GPUs."


def run_here(
    configs: list[TrialConfig],
    data: Path,
    results: Path,
    watch: Callable[[Event], None],
    slots: int = 1,
    **changes: object,
) -> LocalExecutor:
    executor = LocalExecutor([Slot("cpu", 1)] * slots)
    run_orders([order(config, data, results, **changes) for config in configs], executor, watch)
    return executor


@pytest.mark.slow
def test_an_interrupt_is_no_failure(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config(max_epochs=1000, patience=1000)
    executor = LocalExecutor([Slot("cpu", 1)])
    workers = []

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            workers.extend(state.worker for state in executor._states)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_orders([order(config, walks_folder, tmp_path)], executor, interrupt)
    assert [worker.process.poll() is not None for worker in workers if worker is not None] == [True]
    assert not Results(tmp_path).failed(config.id).exists()
    assert trial_state(Results(tmp_path), config.id) == "interrupted"


def test_a_run_that_is_asked_to_stop_ends_after_a_checkpoint(walks_folder: Path, tmp_path: Path) -> None:
    configs = [trial_config(max_epochs=1000, patience=1000, seed=seed) for seed in (1, 2)]
    events = list[Event]()
    with pytest.raises(KeyboardInterrupt):
        run_orders(
            [order(config, walks_folder, tmp_path) for config in configs],
            LocalExecutor([Slot("cpu", 1)]),
            events.append,
            stop_asked=lambda: any(isinstance(event, EpochDone) for event in events),
        )
    states = [trial_state(Results(tmp_path), config.id) for config in configs]
    assert states == ["interrupted", "to do"]
    assert {type(event) for event in events[1:]} == {EpochDone}


WORKER = """
import sys

{run}

for line in sys.stdin:
    run(line)
"""


def use_worker(monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    """Let slots start a worker that does with each order what the text of ``run`` says."""

    def start(worker: WorkerProcess, environment: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", WORKER.format(run=run)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=worker._messages,
            text=True,
            env=os.environ | environment,
        )

    monkeypatch.setattr(WorkerProcess, "_start", start)


PERFORMS = """
from lrbench.execution.perform import perform
from lrbench.execution.order import TrialOrder
"""
DIES_AT_THE_END = (
    PERFORMS
    + """
def run(line):
    order = TrialOrder.model_validate_json(line)
    perform(order, lambda event: None)  # the folder is in its place, and nobody hears of it
    sys.exit(9)
"""
)
LEAVES_RUBBISH = (
    PERFORMS
    + """
def run(line):
    order = TrialOrder.model_validate_json(line)
    folder = order.results.trial(order.config.id)
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text("{")
    sys.exit(9)
"""
)
SAYS_NONSENSE = """
def run(line):
    print("no event", flush=True)
"""
DIES = """
def run(line):
    sys.exit("no luck")
"""
RUNS_OUT_OF_MEMORY = """
from lrbench.execution.events import TrialDied
from lrbench.execution.order import TrialOrder

def run(line):
    order = TrialOrder.model_validate_json(line)
    with (order.results_folder / "alone").open("a") as file:
        file.write(f"{order.alone} ")
    died = TrialDied(trial=order.config.id, reason="no memory", out_of_memory=True)
    print(died.model_dump_json(), flush=True)
"""
NEEDS_MORE_THAN_20_BYTES = """
import os
from lrbench.execution.events import TrialDied, TrialDone, TrialStarted
from lrbench.execution.order import TrialOrder

def run(line):
    order = TrialOrder.model_validate_json(line)
    trial, memory = order.config.id, int(os.environ["MEMORY"])
    events = [TrialStarted(trial=trial, device="cuda", device_bytes=memory)]
    if memory > 20:
        events.append(TrialDone(trial=trial, seconds=1.0, metrics={}))
    else:
        events.append(TrialDied(trial=trial, reason="no memory", out_of_memory=True))
    with (order.results_folder / "tried").open("a") as file:
        file.write(f"{memory} ")
    for event in events:
        print(event.model_dump_json(), flush=True)
"""
DIES_ONCE = (
    PERFORMS
    + """
def run(line):
    order = TrialOrder.model_validate_json(line)
    tried = order.results_folder / "tried"
    if not tried.exists():
        tried.touch()
        sys.exit("no luck")
    perform(order, lambda event: print(event.model_dump_json(), flush=True))
"""
)


@pytest.mark.slow
def test_a_worker_that_dies_after_its_trial_was_complete_has_done_it(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_worker(monkeypatch, DIES_AT_THE_END)
    config, events = trial_config("popularity", seed=0), list[Event]()
    for again in (False, True):
        since = datetime.now(UTC) if again else None
        run_here([config], walks_folder, tmp_path, events.append, since=since)
    assert [type(event) for event in events] == [TrialDone, TrialDone]
    assert not Results(tmp_path).failed(config.id).exists()


@pytest.mark.slow
def test_a_worker_that_dies_and_leaves_a_record_that_cannot_be_read_fails_its_trial(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_worker(monkeypatch, LEAVES_RUBBISH)
    config, events = trial_config("popularity", seed=0), list[Event]()
    run_here([config], walks_folder, tmp_path, events.append)
    assert [(event.kind, event.trial) for event in events] == [("failed", config.id)]


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_the_trial_goes_on(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_worker(monkeypatch, DIES_ONCE)
    config, events = trial_config("popularity", seed=0), list[Event]()
    run_here([config], walks_folder, tmp_path, events.append)
    assert [event.kind for event in events] == ["note", "started", "done"]
    assert isinstance(events[0], TrialNote)
    assert events[0].text == "the worker process ended with code 1; it goes on from its checkpoint"


def test_a_trial_whose_workers_always_die_fails(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_worker(monkeypatch, DIES)
    config, events = trial_config("popularity", seed=0), list[Event]()
    run_here([config], walks_folder, tmp_path, events.append)
    assert [event.kind for event in events] == ["note", "note", "failed"]
    error = Results(tmp_path).error(config.id).read_text(encoding="utf-8")
    assert "ended with code 1; 3 workers died without finishing an epoch" in error
    assert "no luck" in error


@pytest.mark.parametrize(
    ("slots", "told", "heard"), [(1, "True ", ["failed"]), (2, "False True ", ["note", "failed"])]
)
def test_a_trial_that_runs_out_of_memory_fails_once_no_other_could_be_beside_it(
    slots: int,
    told: str,
    heard: list[str],
    walks_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its neighbours may have ended just before memory ran out. So it is told that it is alone."""
    use_worker(monkeypatch, RUNS_OUT_OF_MEMORY)
    events = list[Event]()
    run_here([trial_config("popularity", seed=0)], walks_folder, tmp_path, events.append, slots=slots)
    assert (tmp_path / "alone").read_text(encoding="utf-8") == told
    assert [event.kind for event in events] == heard


@pytest.mark.parametrize(
    ("gpus", "tried", "heard"),
    [
        ([10, 30], "10 30 ", ["started", "note", "started", "done"]),
        ([10, 20, 10], "10 20 ", ["started", "note", "started", "failed"]),  # the third was measured before
    ],
)
def test_a_trial_that_runs_out_of_memory_is_tried_on_gpus_with_more(
    gpus: list[int],
    tried: str,
    heard: list[str],
    walks_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_worker(monkeypatch, NEEDS_MORE_THAN_20_BYTES)
    slots = [Slot("cuda", 1, {"MEMORY": str(size)}, f"gpu {place}") for place, size in enumerate(gpus)]
    sharing, events = DeviceSharing(), list[Event]()
    for place, size in enumerate(gpus[2:], 2):
        sharing.measure(f"gpu {place}", size)
    executor = LocalExecutor(slots, sharing)
    run_orders([order(trial_config("popularity", seed=0), walks_folder, tmp_path)], executor, events.append)
    assert (tmp_path / "tried").read_text(encoding="utf-8") == tried
    assert [event.kind for event in events] == heard


def test_what_no_slot_can_run_is_not_done(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(WorkerProcess, "_start", refuse)
    configs = [trial_config("popularity", seed=seed) for seed in range(5)]
    events = list[Event]()
    with pytest.raises(LrbenchError, match=r"3 trials did not begin.*Too many open files"):
        run_here(configs, walks_folder, tmp_path, events.append, slots=2)
    assert sorted(event.trial for event in events) == sorted(config.id for config in configs[:2])
    assert all(isinstance(event, TrialFailed) for event in events)


def test_a_worker_that_says_nonsense_fails_its_trial(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_worker(monkeypatch, SAYS_NONSENSE)
    configs = [trial_config("popularity", seed=seed) for seed in range(2)]
    events = list[Event]()
    with pytest.raises(LrbenchError, match="1 trial did not begin"):
        run_here(configs, walks_folder, tmp_path, events.append)
    assert [(event.kind, event.trial) for event in events] == [("failed", configs[0].id)]


def test_a_failure_that_cannot_be_written_is_reported_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "failed").touch()
    event = record_failure(Results(tmp_path), "t", LrbenchError("The loss became nan."))
    assert event.error_file is None
    assert event.reason.startswith("LrbenchError: The loss became nan. (")
    assert "error.txt could not be written: " in event.reason


@pytest.mark.slow
def test_a_trial_of_another_process_is_told_once_and_free_ones_come_first(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "RETRY_SECONDS", 0.1)
    busy, free = (trial_config(model, seed=0) for model in ("popularity", "markov"))
    lock = FileLock(Results(tmp_path).lock(busy.id))
    events = list[Event]()

    def watch(event: Event) -> None:
        events.append(event)
        if event.kind in ("done", "failed"):
            lock.release(force=True)

    Path(lock.lock_file).parent.mkdir(parents=True)
    lock.acquire()
    run_here([busy, free], walks_folder, tmp_path, watch)
    assert [(event.kind, event.trial) for event in events if event.kind in ("busy", "done", "failed")] == [
        ("busy", busy.id),
        ("done", free.id),
        ("done", busy.id),
    ]
