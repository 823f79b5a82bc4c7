"""Time and memory of the command line with a catalogue of a million items, from a file to a table.

``python benchmarks/large_catalogue.py`` writes a CSV file in which each item has five interactions, and
fetches it. It trains SASRec with sampled softmax for one epoch, ranks every user's target among all items,
and prints one row of a table for each command. Memory is the largest sum of the resident memory of the
command and its workers.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl

SUITE = """
name = "large-catalogue"
protocol = "loo-20"
datasets = ["large"]
seeds = [1]

[training]
max_epochs = 1
batch_size = 8192
long_sequences = "latest"

[[models]]
label = "SASRec"
model = "sasrec"
params = { width = 64, layers = 2, loss = "sampled_softmax", negatives = 256, shared_negatives = true }
"""
CORE = 5  # interactions of each item, so that none is filtered out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=250)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder / "large.csv", options.items, options.users)
        (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
        print("| command | seconds | peak MiB |")
        print("|:--|--:|--:|")
        columns = "user=user,item=item,time=time"
        lrbench(folder, "fetch", "large", "--protocol", "loo-20", "--from", "large.csv", "--columns", columns)
        lrbench(folder, "run", "suite.toml", "--workers", "1", "--threads", "1")
        lrbench(folder, "report", "large-catalogue", "--format", "csv")


def generate(file: Path, items: int, users: int) -> None:
    """Write interactions in which each user has other items, and each item has :data:`CORE` users."""
    each = items * CORE // users
    source = np.random.default_rng(0)
    order = np.concatenate([source.permutation(items) for _ in range(CORE)])[: each * users]
    pl.DataFrame(
        {
            "user": np.repeat(np.arange(users), each),
            "item": order,
            "time": np.tile(np.arange(each), users),
        }
    ).write_csv(file)


def lrbench(folder: Path, *arguments: str) -> None:
    """Run a command, and print its time and peak memory."""
    data = [] if arguments[0] == "report" else ["--data-dir", "data"]
    command = [sys.executable, "-m", "lrbench", *arguments, *data]
    started, peak = time.perf_counter(), [0]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watch = threading.Thread(target=keep_peak, args=(process, peak))
    watch.start()
    said = "".join(process.communicate())
    watch.join()
    if process.returncode:
        raise SystemExit(said)
    print(f"| {arguments[0]} | {time.perf_counter() - started:.0f} | {peak[0] / 2**20:,.0f} |", flush=True)
    print(said, file=sys.stderr)


def keep_peak(process: "subprocess.Popen[str]", peak: list[int]) -> None:
    """Keep the largest sum of the resident memory of a process and its children, in bytes."""
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(resident, family(process.pid))))
        time.sleep(0.1)


def family(process: int) -> list[int]:
    """Return a process and all its descendants."""
    try:
        lists = [
            path.read_text(encoding="ascii") for path in Path(f"/proc/{process}/task").glob("*/children")
        ]
    except OSError:
        return []
    return [process, *(each for text in lists for child in text.split() for each in family(int(child)))]


def resident(process: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
