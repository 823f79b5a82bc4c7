"""Processes are killed, race each other and find the disk full; no number is lost or changed by it.

Each campaign prints what it did and found; run them with ``pytest -m slow -s tests/campaigns``.
"""

import os
import random
import re
import signal
import sys
import time
from pathlib import Path

import polars as pl
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

KILLS = 12
ROUNDS = 3
SUITE = """
name = "campaign"
protocol = "loo-20"
datasets = ["walks"]
seeds = [1, 2, 3]

[training]
max_epochs = 6
patience = 6
batch_size = 128

[[models]]
label = "Popularity"
model = "popularity"

[[models]]
label = "LARES"
model = "lares"
params = { width = 16, inner_width = 32, pre_layers = 1, core_layers = 1, mean_depth = 2 }

[[models]]
label = "LARES w/o RPT"
extends = "LARES"
stages = ["spt"]
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("campaigns"))


@pytest.fixture(scope="module")
def undisturbed(desk: Desk) -> Results:
    """The results of the suite, run in peace."""
    desk.run("run", desk.suite(SUITE), "--workers", "2", "--threads", "1", "--results", "undisturbed")
    return Results(desk.folder / "undisturbed")


def children(process: int) -> list[int]:
    try:
        lists = list(Path(f"/proc/{process}/task").glob("*/children"))
        return [int(child) for path in lists for child in path.read_text(encoding="ascii").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def gone_after(processes: list[int], seconds: float) -> list[int]:
    """Processes that still run after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        processes = [process for process in processes if Path(f"/proc/{process}").exists()]
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


def test_kills_lose_and_change_nothing(desk: Desk, undisturbed: Results) -> None:
    source, results = random.Random(0), Results(desk.folder / "killed")
    schedulers = workers = starts = faults = 0
    orphans: list[int] = []
    arguments = ("run", desk.suite(SUITE), "--workers", "2", "--threads", "1", "--results", "killed")
    while True:
        process = desk.start(*arguments)
        starts += 1
        while schedulers + workers < KILLS and process.poll() is None:
            time.sleep(source.uniform(1.0, 8.0))
            own = children(process.pid)
            if source.random() < 0.4:
                process.kill()
                process.wait()
                schedulers += 1
                orphans += gone_after(own, 30)
            elif own:
                os.kill(source.choice(own), signal.SIGKILL)
                workers += 1
            faults += sum(bool(stored_faults(folder)) for folder in results.trials())
        _, messages = process.communicate(timeout=300)
        assert "Traceback" not in messages
        if process.returncode == 0:
            break
        assert starts < 3 * KILLS, messages
    print(
        f"\nkills: {schedulers} schedulers, {workers} workers, {starts} starts, {faults} faults, {orphans=}"
    )
    assert (faults, orphans) == (0, [])
    assert_same(results, undisturbed)
    left = [path for path in results.running("").iterdir() if path.suffix != ".lock"]
    assert not left
    assert not list(results.failed("").glob("*"))


def test_schedulers_of_other_seeds_keep_each_others_part(desk: Desk, undisturbed: Results) -> None:
    lost = trained = found = 0
    for number in range(ROUNDS):
        name = f"race-{number}"
        options = ("--workers", "1", "--threads", "1", "--results", name)
        running = [
            desk.start("run", desk.suite(SUITE), "--seeds", seeds, *options) for seeds in ("1", "2", "1,2,3")
        ]
        told = [process.communicate(timeout=500)[1] for process in running]
        assert [process.returncode for process in running] == [0, 0, 0], told
        trained += sum(text.count("done in ") for text in told)
        found += sum(text.count("found complete") for text in told)
        results = Results(desk.folder / name)
        record = read_suite(results.suite("campaign"))
        lost += {cell.seed for cell in record.trials if cell.label == "LARES"} != {1, 2, 3}
        assert_same(results, undisturbed)
    print(
        f"\n{ROUNDS} rounds of 3 schedulers: {trained} trained, {found} found complete, {lost} records lost"
    )
    assert lost == 0
    assert trained == ROUNDS * len(undisturbed.trials())


def test_what_a_full_disk_stops_is_not_done(desk: Desk, undisturbed: Results) -> None:
    lines = []
    for size in (2_000, 10_000, 50_000, 200_000):
        name = f"full-{size}"
        arguments = ("run", desk.suite(SUITE), "--workers", "2", "--threads", "1", "--results", name)
        process = desk.start(*arguments, largest_file=size)
        _, messages = process.communicate(timeout=300)
        there = len(Results(desk.folder / name).trials())
        said = re.findall(r"^(\d+) of 7 trials done", messages, flags=re.MULTILINE)
        lines.append(f"{size} bytes: exit {process.returncode}, said {said}, {there} there")
        assert "Traceback" not in messages
        assert process.returncode == (0 if there == 7 else 1), messages
        assert said in ([str(there)], [])
        if there < 7:
            assert "File too large" in messages
        desk.run(*arguments)
        assert_same(Results(desk.folder / name), undisturbed)
    print("\n" + "\n".join(lines))
