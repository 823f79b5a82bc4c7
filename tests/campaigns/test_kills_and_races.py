"""Processes are killed, race each other and find the disk full; no number is lost or changed by it.

Each campaign prints what it did and found. ``pytest -m slow -s tests/campaigns`` runs them in small;
``--campaign-size 20 --timeout 3600 -o faulthandler_timeout=3660`` does twenty times as much.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl
import processes
import pytest
from desk import Desk

from lrbench.store.integrity import stored_faults
from lrbench.store.layout import Results
from lrbench.store.suites import read_suite
from lrbench.store.trials import read_history

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc and limits the size of files"),
]

KILLS = 3
VICTIMS = ("worker", "scheduler", "worker")
"""Whom the kills meet, in turn."""

KILL_AFTER = 0.5, 5.0
"""Fewest and most seconds between two kills."""

ROUNDS = 1
TRIALS = 5
SIZES = (50_000, 2_000, 10_000, 200_000)
"""Bytes that a file may have where the disk is full."""

SUITE = """
name = "campaign"
protocol = "loo-20"
datasets = ["walks"]
seeds = [{seeds}]

[training]
max_epochs = 3
batch_size = 128

[evaluation]
depths = [2]

[[models]]
label = "Popularity"
model = "popularity"

[[models]]
label = "LARES"
model = "lares"
params = {{ width = 16, inner_width = 32, pre_layers = 1, core_layers = 1, mean_depth = 2 }}

[[models]]
label = "LARES w/o RPT"
extends = "LARES"
stages = ["spt"]
"""


def suite(seeds: int) -> str:
    """The suite with so many seeds; it has two trials a seed and one more."""
    return SUITE.format(seeds=", ".join(map(str, range(1, seeds + 1))))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("campaigns"))


@pytest.fixture(scope="module")
def undisturbed(desk: Desk) -> Results:
    """The results of the suite with two seeds, run in peace."""
    return run_in_peace(desk, 2)


def run_in_peace(desk: Desk, seeds: int) -> Results:
    name = f"undisturbed-{seeds}"
    arguments = ("run", desk.suite(suite(seeds)), "--workers", "2", "--threads", "1", "--results", name)
    code, _, messages = processes.ended(desk.start(*arguments, longest=1500), 1500)
    assert code == 0, messages
    return Results(desk.folder / name)


class Process(NamedTuple):
    """A process; the system uses numbers again, but not with the same beginning."""

    number: int
    begun: str


def process(number: int) -> Process | None:
    """The process that has a number now."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Process(number, text.rpartition(")")[2].split()[19])


def children(number: int) -> list[Process]:
    try:
        lists = list(Path(f"/proc/{number}/task").glob("*/children"))
        numbers = [int(child) for path in lists for child in path.read_text(encoding="ascii").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [found for child in numbers if (found := process(child)) is not None]


def gone_after(processes: list[Process], seconds: float) -> list[Process]:
    """Processes that still run after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        processes = [each for each in processes if process(each.number) == each]
        if not processes:
            return []
        time.sleep(0.1)
    return processes


def assert_same(results: Results, undisturbed: Results) -> None:
    """All trials are there, each whole, with the ranks, weights and histories of the undisturbed run."""
    assert [path.name for path in results.trials()] == [path.name for path in undisturbed.trials()]
    for here, there in zip(results.trials(), undisturbed.trials(), strict=True):
        assert not stored_faults(here)
        ranks = [pl.read_parquet(folder / "ranks.parquet") for folder in (here, there)]
        assert ranks[0].equals(ranks[1])
        assert (here / "weights.safetensors").read_bytes() == (there / "weights.safetensors").read_bytes()
        columns = [read_history(folder).columns for folder in (here, there)]
        kept = [name for name in columns[0] if "seconds" not in name and "second" not in name]
        assert read_history(here).select(kept).equals(read_history(there).select(kept))


@dataclass
class Disturbed:
    """What was done to a run until it ended."""

    killed: Counter[str]
    starts: int = 0
    """How often the command was begun."""
    workers: set[Process] = field(default_factory=set)
    """Every worker that was seen."""
    trials_at_kills: set[int] = field(default_factory=set)
    """How many trials were complete at the kills."""


def run_with_kills(desk: Desk, seeds: int, results: Results, kills: int, chance: random.Random) -> Disturbed:
    """Kill workers and schedulers of a run at random, and begin it again until it ends.

    Every other kill waits for a checkpoint or a trial since the last one, so that it meets trials in the
    middle. The others meet what comes, such as a worker that starts.
    """
    arguments = ("--workers", "2", "--threads", "1", "--results", results.root.name)
    done, code = Disturbed(Counter()), None
    while code != 0:
        process = desk.start("run", desk.suite(suite(seeds)), *arguments, longest=2400)
        done.starts += 1
        while done.killed.total() < kills and process.poll() is None:
            if done.killed.total() % 2:
                wait_for_news(results, process)
            time.sleep(chance.uniform(*KILL_AFTER))
            done.workers |= set(children(process.pid))
            victim = VICTIMS[done.killed.total() % len(VICTIMS)]
            if kill(process, victim, chance):
                done.killed[victim] += 1
                done.trials_at_kills.add(len(results.trials()))
        code, _, messages = processes.ended(process, 2400)
        assert "Traceback" not in messages
        assert done.starts <= kills + 1, messages
        assert not [folder for folder in results.trials() if stored_faults(folder)]
    return done


def wait_for_news(results: Results, process: "subprocess.Popen[str]") -> None:
    """Wait for a new checkpoint or trial, or the end of the process."""
    begun = time.time()
    while process.poll() is None:
        files = (*results.running("").glob("*/checkpoint.pt"), *results.trials())
        with suppress(FileNotFoundError):
            if any(file.stat().st_mtime > begun for file in files):
                return
        time.sleep(0.05)


def test_kills_lose_and_change_nothing(desk: Desk, undisturbed: Results, campaign_size: int) -> None:
    """A run is killed and begun again until it ends; then another one, until there were enough kills.

    With ``--campaign-size 20`` a run has 61 trials, and there are 60 kills.
    """
    seeds = max(2, 3 * campaign_size // 2)
    peaceful = undisturbed if seeds == 2 else run_in_peace(desk, seeds)
    chance, left, number = random.Random(0), KILLS * campaign_size, 0
    while left:
        number += 1
        results = Results(desk.folder / f"killed-{number}")
        done = run_with_kills(desk, seeds, results, left, chance)
        left -= done.killed.total()
        assert_nothing_lost(results, peaceful, done)


def assert_nothing_lost(results: Results, peaceful: Results, done: Disturbed) -> None:
    """Every trial is there once and as in peace, and nothing else is left: no process and no file."""
    assert_same(results, peaceful)
    assert not [path for path in results.running("").iterdir() if path.suffix != ".lock"]
    assert not [path for path in (results.root / "trials").iterdir() if path.name.startswith(".")]
    assert not list(results.failed("").glob("*"))
    assert not gone_after(list(done.workers), 30), "orphans"
    least, most = min(done.trials_at_kills), max(done.trials_at_kills)
    print(
        f"\nkills: {dict(done.killed)}, {done.starts} starts of the command, {len(done.workers)} workers; "
        f"{least} to {most} of {len(peaceful.trials())} trials were complete at the kills; "
        "all as undisturbed, no orphan, nothing left behind"
    )


def kill(scheduler: "subprocess.Popen[str]", victim: str, chance: random.Random) -> bool:
    """Kill a scheduler or one of its workers; return whether there was one."""
    workers = children(scheduler.pid)
    if victim == "scheduler" and scheduler.poll() is None:
        scheduler.kill()
        scheduler.wait(10)
        assert not gone_after(workers, 30), "orphans"
        return True
    if victim == "worker" and workers:
        os.kill(chance.choice(workers).number, signal.SIGKILL)
        return True
    return False


def test_schedulers_of_other_seeds_keep_each_others_part(
    desk: Desk, undisturbed: Results, campaign_size: int
) -> None:
    lost = trained = found = 0
    rounds = ROUNDS * campaign_size
    for number in range(rounds):
        name = f"race-{number}"
        options = ("--workers", "1", "--threads", "1", "--results", name)
        running = [
            desk.start("run", desk.suite(suite(2)), "--seeds", seeds, *options) for seeds in ("1", "2", "1,2")
        ]
        codes, _, told = zip(*(processes.ended(process, 200) for process in running), strict=True)
        assert codes == (0, 0, 0), told
        trained += sum(text.count("done in ") for text in told)
        found += sum(text.count("found complete") for text in told)
        results = Results(desk.folder / name)
        record = read_suite(results.suite("campaign"))
        lost += {cell.seed for cell in record.trials if cell.label == "LARES"} != {1, 2}
        assert_same(results, undisturbed)
    print(
        f"\n{rounds} rounds of 3 schedulers: {trained} trained, {found} found complete, {lost} records lost"
    )
    assert lost == 0
    assert trained == rounds * len(undisturbed.trials())


def test_what_a_full_disk_stops_is_not_done(desk: Desk, undisturbed: Results, campaign_size: int) -> None:
    lines = []
    for size in SIZES[:campaign_size]:
        name = f"full-{size}"
        arguments = ("run", desk.suite(suite(2)), "--workers", "1", "--threads", "1", "--results", name)
        code, _, messages = processes.ended(desk.start(*arguments, largest_file=size), 200)
        there = len(Results(desk.folder / name).trials())
        said = re.findall(rf"^(\d+) of {TRIALS} trials done", messages, flags=re.MULTILINE)
        lines.append(f"{size} bytes: exit {code}, said {said}, {there} there")
        assert "Traceback" not in messages
        assert code == (0 if there == TRIALS else 1), messages
        assert said in ([str(there)], [])
        if there < TRIALS:
            assert "File too large" in messages
        desk.run(*arguments)
        assert_same(Results(desk.folder / name), undisturbed)
    print("\n" + "\n".join(lines))
