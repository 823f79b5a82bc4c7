"""Trials on a real Slurm of one node, whose jobs are requeued in the middle."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from slurm_node import slurm, start_again_now
from small_data import order, trial_config

from lrbench.errors import RequestError
from lrbench.execution.events import Event, TrialDone
from lrbench.execution.perform import perform
from lrbench.execution.places import SlurmPlace, parse_minutes
from lrbench.execution.remote import slurm_jobs
from lrbench.execution.remote.slurm_jobs import SlurmExecutor
from lrbench.execution.schedule import run_orders
from lrbench.store.layout import RANKS_FILE, Results
from lrbench.store.trials import read_record
from lrbench.training.news import EpochDone

EPOCHS = 400  # enough for a trial to be under way when its job is requeued, also on a fast machine
CONFIGS = [trial_config(seed=seed, max_epochs=EPOCHS, patience=EPOCHS) for seed in (1, 2)]

REQUEUE = ["scontrol", "requeue"]  # as an administrator does: the job is killed
PREEMPT = ["scancel", "--signal=USR2"]  # the job is warned, and queues itself again


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    pytest.importorskip("submitit")
    with slurm(tmp_path_factory.mktemp("slurm")):
        yield


def executor(results: Path) -> SlurmExecutor:
    return SlurmExecutor(Results(results), "main", 10, 1, 0, None)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("cluster")
def test_a_job_that_is_requeued_goes_on_and_a_later_run_takes_jobs_up(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_jobs, "_SECONDS_BETWEEN_LOOKS", 0.5)
    results = Results(tmp_path / "slurm")
    results.root.mkdir()
    orders = [order(config, walks_folder, results.root) for config in CONFIGS]
    requeued: dict[str, str] = {}

    def requeue_and_leave(event: Event) -> None:
        if isinstance(event, EpochDone) and event.trial not in requeued:
            command = PREEMPT if requeued else REQUEUE
            requeued[event.trial] = results.job(event.trial).read_text(encoding="utf-8").strip()
            subprocess.run([*command, requeued[event.trial]], check=True, timeout=30)
        if len(requeued) == len(orders):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_orders(orders, executor(results.root), requeue_and_leave)
    for job in requeued.values():
        start_again_now(job)
    events = list[Event]()
    taking_up = executor(results.root)
    run_orders(orders, taking_up, events.append)
    done = {event.trial for event in events if isinstance(event, TrialDone)}
    assert done == {config.id for config in CONFIGS}, events
    assert len({job.partition("_")[0] for job in requeued.values()}) == 1  # both are of one array
    for config in CONFIGS:
        perform(order(config, walks_folder, tmp_path / "alone"), lambda event: None)
        here, alone = results.trial(config.id), Results(tmp_path / "alone").trial(config.id)
        assert read_record(here).resumed >= 1
        assert pl.read_parquet(here / RANKS_FILE).equals(pl.read_parquet(alone / RANKS_FILE))
    assert not [path for path in results.running("").iterdir() if path.suffix != ".lock"]


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("partition", "gpus", "message"),
    [("mian", 0, r'no partition "mian"\. Partitions: main\.'), ("main", 2, "asks for 2 GPUs.*more than 0")],
)
def test_what_slurm_does_not_have_is_refused(partition: str, gpus: int, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        SlurmPlace(partition, 10, "cpu", 1, gpus, None).check()


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("1:30", 2), ("1:30:00", 90), ("1-0", 1440), ("1-1:30", 1530), ("0-0:0:1", 1)],
)
def test_times_are_read_as_slurm_reads_them(text: str, minutes: int) -> None:
    assert parse_minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1:2:3:4", "1.5"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="--time"):
        parse_minutes(text)


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [("(null)", 0), ("gpu:4", 4), ("gpu:a100:4(S:0-1),lustre:1", 4), ("gpu:a:2,gpu:b:2", 4), ("gpu", 0)],
)
def test_gpus_of_a_node_are_counted(gres: str, gpus: int) -> None:
    assert slurm_jobs._gpus(gres) == gpus


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("cluster")
def test_a_limit_of_jobs_holds_for_later_arrays_too(walks_folder: Path, tmp_path: Path) -> None:
    orders = [order(trial_config(seed=seed), walks_folder, tmp_path) for seed in range(1, 5)]
    limited = SlurmExecutor(Results(tmp_path), "main", 10, 1, 0, at_once=2)
    for each in orders[:3]:  # the first array is queued whole, and Slurm runs two of it at a time
        assert not limited.full
        limited.submit(each)
    limited.poll()
    assert limited.full
    ended = list[Event]()
    while len(ended) < 2:
        ended += [event for event in limited.poll() if isinstance(event, TrialDone)]
    assert not limited.full
    limited.submit(orders[3])
    assert limited.full == (len(ended) == 2)
    while len(ended) < 4:
        ended += [event for event in limited.poll() if isinstance(event, TrialDone)]
    assert {event.trial for event in ended} == {each.config.id for each in orders}
    limited.close()
