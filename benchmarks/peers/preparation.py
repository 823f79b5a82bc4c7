"""Time lrbench and a short Polars script in turn: from 18 million ratings to 5-core sequences.

``nox -s bench-preparation`` runs this file. It writes ``benchmarks/PREPARATION.md``. The script does this
alone, in its fastest known form. Ids are categories, counting finds the core, and a packed key is sorted
once. lrbench also checks every line, keeps the ids and the counts of each step, and writes the result.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tabulate import tabulate

from lrbench.config.protocol import Filters
from lrbench.data.dataset import Origin, write_prepared
from lrbench.data.preparation.prepare import prepare
from lrbench.data.readers.amazon import Amazon2014Csv

HERE = Path(__file__).parent
ROWS, USERS, ITEMS, CORE = 18_100_000, 1_300_000, 220_000, 5
COLUMNS = pl.Schema({"user": pl.String, "item": pl.String, "rating": pl.Float64, "time": pl.Int64})
Counts = dict[str, int]


def main() -> None:
    """Measure one tool, or all in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--tool", choices=[*TOOLS, "generate"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE.parent / "PREPARATION.md")
    arguments = parser.parse_args()
    file = arguments.scratch / "ratings.csv"
    if arguments.tool == "generate":
        generate(file)
        return
    if arguments.tool:
        started = time.perf_counter()
        counts = TOOLS[arguments.tool](file, arguments.scratch)
        seconds, memory = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"seconds": seconds, "memory": memory / 1024, **counts}))
        return
    if not file.exists():  # in its own process: a child inherits the peak memory of its parent
        run("generate", arguments)
    results: dict[str, list[dict[str, Any]]] = {tool: [] for tool in TOOLS}
    for number in range(arguments.rounds):
        for tool in TOOLS:
            results[tool].append(json.loads(run(tool, arguments)))
            print(f"round {number + 1}: {tool}: {results[tool][-1]}", flush=True)
    arguments.output.write_text(page(results, arguments), encoding="utf-8")
    print(f"Written to {arguments.output}.")


def run(tool: str, arguments: argparse.Namespace) -> str:
    """Run one tool in its own process and return what it printed."""
    command = [sys.executable, __file__, "--scratch", str(arguments.scratch), "--tool", tool]
    environment = {**os.environ, "POLARS_MAX_THREADS": str(arguments.threads), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def generate(file: Path) -> None:
    """Write ratings whose id lengths and skew of users and items are those of Amazon's rating files."""
    generator = np.random.default_rng(1)
    users = (USERS * generator.power(0.7, ROWS)).astype(np.int64)
    items = (ITEMS * generator.power(0.4, ROWS)).astype(np.int64)
    numbers = pl.DataFrame(
        {
            "user": users * 7_368_787 % 10**13,
            "item": items * 104_729 % 10**9,
            "rating": generator.integers(1, 6, ROWS),
            "time": generator.integers(850_000_000, 1_400_000_000, ROWS),
        }
    )
    numbers.select(
        pl.format("A{}", pl.col("user").cast(pl.String).str.zfill(13)).alias("user"),
        pl.format("B{}", pl.col("item").cast(pl.String).str.zfill(9)).alias("item"),
        pl.col("rating").cast(pl.Float64),
        "time",
    ).write_csv(file.with_suffix(".part"), include_header=False)
    file.with_suffix(".part").rename(file)


def script(file: Path, scratch: Path) -> Counts:
    """Run the Polars script, which keeps sequences in memory and writes nothing."""
    ids = pl.col("user", "item").cast(pl.Categorical).to_physical()
    rows = pl.scan_csv(file, has_header=False, schema=COLUMNS).select(ids, "time").collect(engine="streaming")
    users, items, times = (rows[name].to_numpy() for name in ("user", "item", "time"))
    while True:
        enough = (np.bincount(users) >= CORE)[users] & (np.bincount(items) >= CORE)[items]
        if enough.all():
            break
        users, items, times = users[enough], items[enough], times[enough]
    earliest = times.min()
    key = users.astype(np.int64) << 32 | (times - earliest)
    order = pl.Series(key).arg_sort().to_numpy()
    sequences = items[order]
    return counted(users, sequences)


def lrbench(file: Path, scratch: Path) -> Counts:
    """Run lrbench's preparation and write its result."""
    origin = Origin(
        name="ratings",
        edition="generated",
        source=str(file),
        source_sha256="0" * 64,
        reader="amazon-2014-csv",
        synthetic=True,
    )
    prepared = prepare(Amazon2014Csv().read(file), origin, Filters(repeats="keep", k_core=CORE))
    (scratch / "prepared").mkdir(exist_ok=True)
    write_prepared(prepared, scratch / "prepared")
    last = prepared.record.counts[-1]
    return {"users": last.users, "items": last.items, "interactions": last.interactions}


def counted(users: Any, items: Any) -> Counts:
    """Return how many users, items and interactions are left."""
    kinds = {"users": users, "items": items}
    sizes = {name: int(np.count_nonzero(np.bincount(codes))) for name, codes in kinds.items()}
    return {**sizes, "interactions": len(items)}


def page(results: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> str:
    """Compose the page."""

    def median(tool: str, key: str) -> float:
        return statistics.median(result[key] for result in results[tool])

    rows = [
        [tool, f"{median(tool, 'seconds'):.1f}", f"{median(tool, 'memory'):.0f}"]
        + [f"{results[tool][0][key]:,}" for key in ("users", "items", "interactions")]
        for tool in TOOLS
    ]
    headers = ["", "seconds", "peak memory, MiB", "users", "items", "interactions"]
    megabytes = (arguments.scratch / "ratings.csv").stat().st_size / 1e6
    parts = [
        f"# Preparation of {ROWS:,} ratings",
        f"Both tools turn a generated CSV file of {megabytes:.0f} MB into the sequences of its 5-core. "
        f"Polars has {arguments.threads} threads. Figures are medians of {arguments.rounds} interleaved "
        "rounds in one run. Imports are not counted. The script writes nothing. "
        "lrbench writes the prepared dataset.",
        tabulate(rows, headers, tablefmt="github", disable_numparse=True),
    ]
    return "\n\n".join(parts) + "\n"


TOOLS = {"Polars script": script, "lrbench": lrbench}

if __name__ == "__main__":
    main()
