"""What scheduling costs: a suite of short trials on several workers, compared with the sum of its trials.

``python benchmarks/scheduling.py --trials 60 --workers 4`` runs the suite in a temporary folder and prints
one row of a table:

* *between*: a worker's time outside trials after the first trial has begun, by trial. In it a late worker
  starts, workers take their next orders, and wait for others at the end.
* *overhead*: that time as a share of the trials' time.
* *scheduler's CPU*: the command's processor time by trial, minus that of the same command when nothing is
  left to do. On a machine that others share it says more.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from lrbench.store.layout import Results
from lrbench.store.trials import read_record

SUITE = """
name = "scheduling"
protocol = "loo-20"
datasets = ["sample"]
seeds = [{seeds}]

[training]
max_epochs = {epochs}
patience = {epochs}

[[models]]
label = "SASRec"
model = "sasrec"
params = {{ width = 16, layers = 1, inner_width = 32 }}
"""

MEASURED = """
import atexit, resource, sys

def tell():
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime)

atexit.register(tell)
from lrbench.__main__ import main

main()
"""
"""Runs a command, and prints the seconds of processor time of its own process."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = folder / "suite.toml"
        seeds = ", ".join(map(str, range(1, options.trials + 1)))
        suite.write_text(SUITE.format(seeds=seeds, epochs=options.epochs), encoding="utf-8")
        lrbench(folder, "fetch", "sample", "--protocol", "loo-20")
        began, clock = datetime.now(UTC), time.perf_counter()
        used = lrbench(folder, "run", "suite.toml", "--workers", str(options.workers), "--threads", "1")
        wall = time.perf_counter() - clock
        idle = lrbench(folder, "run", "suite.toml", "--workers", str(options.workers), "--threads", "1")
        records = [read_record(path) for path in Results(folder / "results").trials()]
    busy = sum((record.ended - record.started).total_seconds() for record in records)
    first = min(record.started for record in records)
    span = (max(record.ended for record in records) - first).total_seconds()
    between = (span * options.workers - busy) / len(records)
    scheduler = (used - idle) / len(records)
    head = ("trials", "workers", "command, s", "start, s", "trials / workers, s", "between, ms", "overhead")
    print(f"| {' | '.join(head)} | scheduler's CPU, ms |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    print(
        f"| {len(records)} | {options.workers} | {wall:.1f} | {(first - began).total_seconds():.1f} "
        f"| {busy / options.workers:.1f} | {1000 * between:.0f} | {span * options.workers / busy - 1:.1%} "
        f"| {1000 * scheduler:.0f} |"
    )


def lrbench(folder: Path, *arguments: str) -> float:
    """Run a command, and return the seconds of processor time of its own process."""
    command = [sys.executable, "-c", MEASURED, *arguments, "--data-dir", str(folder / "data")]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
