"""Time lrbench, a short Polars script and DuckDB in turn: from generated ratings to 5-core sequences.

``nox -s bench-preparation`` runs this file for 1, 10 and 100 million ratings. It writes
``benchmarks/PREPARATION.md``. With more ratings, lrbench runs alone. The Polars script does only this, in its
fastest known form. Ids are categories, counting finds the core, and a packed key is sorted once. DuckDB does
it in SQL and may spill to disk. lrbench also checks every line, keeps the ids and the counts of each step,
and writes the result.
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
SIZES, CORE = "1000000,10000000,100000000", 5
USERS_PER_ROW, ITEMS_PER_ROW = 0.0718, 0.01215  # of Amazon's files of 2014
DUCKDB_MEMORY = "6GB"
MOST_OF_PEERS = 100_000_000
"""With more ratings lrbench runs alone: at the script's memory per rating, all of Amazon's take it 45 GiB."""

AT_ONCE = 5_000_000  # rows that are generated together
COLUMNS = pl.Schema({"user": pl.String, "item": pl.String, "rating": pl.Float64, "time": pl.Int64})
Counts = dict[str, int]


def main() -> None:
    """Measure one tool, or all in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--rows", default=SIZES, help="numbers of ratings")
    parser.add_argument("--tools", help=f"all of {','.join(TOOLS)} up to 100 million ratings if left out")
    parser.add_argument("--tool", choices=[*TOOLS, "generate"], help="run this one alone, for one size")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--output", type=Path, default=HERE.parent / "PREPARATION.md")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.rows.split(",")]
    if arguments.tool:
        measure(arguments.tool, arguments.scratch, sizes[0])
        return
    lines = []
    for rows in sizes:
        run("generate", rows, arguments)  # in its own process: a child inherits the peak memory of its parent
        usual = list(TOOLS) if rows <= MOST_OF_PEERS else ["lrbench"]
        tools = arguments.tools.split(",") if arguments.tools else usual
        results: dict[str, list[dict[str, Any]]] = {tool: [] for tool in tools}
        for _ in range(arguments.rounds):
            for tool, found in results.items():
                found.append(json.loads(run(tool, rows, arguments)))
                print(f"{rows:,} rows: {tool}: {found[-1]}", flush=True)
        megabytes = file_of(arguments.scratch, rows).stat().st_size / 1e6
        lines += [line(rows, megabytes, tool, found) for tool, found in results.items()]
        file_of(arguments.scratch, rows).unlink()
        arguments.output.write_text(page(lines, arguments), encoding="utf-8")
    print(f"Written to {arguments.output}.")


def run(tool: str, rows: int, arguments: argparse.Namespace) -> str:
    """Run one tool in its own process and return what it printed."""
    options = ["--scratch", str(arguments.scratch), "--tool", tool, "--rows", str(rows)]
    command = [sys.executable, __file__, *options]
    threads = str(arguments.threads)
    environment = {**os.environ, "POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def measure(tool: str, scratch: Path, rows: int) -> None:
    """Run one tool in this process, and print what it took."""
    file = file_of(scratch, rows)
    if tool == "generate":
        generate(file, rows)
        return
    started = time.perf_counter()
    counts = TOOLS[tool](file, scratch)
    seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "processor": used.ru_utime + used.ru_stime,
                "memory": used.ru_maxrss / 1024,
                **counts,
            }
        )
    )


def file_of(scratch: Path, rows: int) -> Path:
    """Where the generated ratings are."""
    return scratch / f"ratings-{rows}.csv"


def generate(file: Path, rows: int) -> None:
    """Write ratings whose id lengths and skew of users and items are those of Amazon's rating files."""
    generator = np.random.default_rng(1)
    part = file.with_suffix(".part")
    with part.open("wb") as output:
        for start in range(0, rows, AT_ONCE):
            count = min(AT_ONCE, rows - start)
            users = (rows * USERS_PER_ROW * generator.power(0.7, count)).astype(np.int64)
            items = (rows * ITEMS_PER_ROW * generator.power(0.4, count)).astype(np.int64)
            numbers = pl.DataFrame(
                {
                    "user": users * 7_368_787 % 10**13,
                    "item": items * 104_729 % 10**9,
                    "rating": generator.integers(1, 6, count),
                    "time": generator.integers(850_000_000, 1_400_000_000, count),
                }
            )
            numbers.select(
                pl.format("A{}", pl.col("user").cast(pl.String).str.zfill(13)).alias("user"),
                pl.format("B{}", pl.col("item").cast(pl.String).str.zfill(9)).alias("item"),
                pl.col("rating").cast(pl.Float64),
                "time",
            ).write_csv(output, include_header=False)
    part.rename(file)


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


def duckdb(file: Path, scratch: Path) -> Counts:
    """Run SQL in a database on disk."""
    import duckdb as engine  # noqa: PLC0415 - only this tool needs it

    database = scratch / "duck.db"
    connection = engine.connect(str(database))
    connection.execute(f"set threads = {os.environ['POLARS_MAX_THREADS']}")
    connection.execute(f"set memory_limit = '{DUCKDB_MEMORY}'")
    connection.execute(f"set temp_directory = '{scratch / 'duck'}'")
    columns = "{'user': 'varchar', 'item': 'varchar', 'rating': 'double', 'time': 'bigint'}"
    connection.execute(
        f"create table kept as select user, item, time, row_number() over () as place "
        f"from read_csv('{file}', header = false, columns = {columns})"
    )
    before = -1
    while (after := connection.execute("select count(*) from kept").fetchall()[0][0]) != before:
        before = after
        connection.execute(
            "create table fewer as select * from kept "
            f"where user in (select user from kept group by user having count(*) >= {CORE}) "
            f"and item in (select item from kept group by item having count(*) >= {CORE})"
        )
        connection.execute("drop table kept")
        connection.execute("alter table fewer rename to kept")
    connection.execute(
        "create table sequences as "
        "select user, list(item order by time, place) as items from kept group by user"
    )
    users = connection.execute("select count(*) from sequences").fetchall()[0][0]
    items = connection.execute("select count(distinct item) from kept").fetchall()[0][0]
    connection.close()
    database.unlink()
    return {"users": users, "items": items, "interactions": before}


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
    prepared = prepare(Amazon2014Csv().read(file), origin, Filters(repeats="keep", k_core=CORE), scratch)
    (scratch / "prepared").mkdir(exist_ok=True)
    write_prepared(prepared, scratch / "prepared")
    last = prepared.record.counts[-1]
    return {"users": last.users, "items": last.items, "interactions": last.interactions}


def counted(users: Any, items: Any) -> Counts:
    """Return how many users, items and interactions are left."""
    kinds = {"users": users, "items": items}
    sizes = {name: int(np.count_nonzero(np.bincount(codes))) for name, codes in kinds.items()}
    return {**sizes, "interactions": len(items)}


def line(rows: int, megabytes: float, tool: str, results: list[dict[str, Any]]) -> list[str]:
    """Compose a line of the table: medians over rounds."""

    def median(key: str) -> float:
        return statistics.median(result[key] for result in results)

    return [
        f"{rows:,}",
        f"{megabytes:,.0f}",
        tool,
        f"{median('seconds'):.1f}",
        f"{median('processor'):.1f}",
        f"{rows / median('seconds'):,.0f}",
        f"{median('memory'):,.0f}",
        *(f"{results[0][key]:,}" for key in ("users", "items", "interactions")),
    ]


def page(lines: list[list[str]], arguments: argparse.Namespace) -> str:
    """Compose the page."""
    headers = ["rows", "MB", "tool", "seconds", "processor seconds", "rows a second", "peak MiB"]
    headers += ["users left", "items left", "rows left"]
    rounds = "one round" if arguments.rounds == 1 else f"{arguments.rounds} interleaved rounds, medians"
    parts = [
        "# Preparation of generated ratings",
        "Each tool turns a generated CSV file into the sequences of its 5-core, in a process of its own. "
        f"Each has {arguments.threads} threads; {rounds}. Imports are not counted. The Polars script keeps "
        f"everything in memory and writes nothing. DuckDB has {DUCKDB_MEMORY} and leaves a table in a "
        "database on disk. "
        "lrbench checks every line and writes the prepared dataset. On a machine that others share, only "
        "processor seconds and memory can be compared.",
        tabulate(lines, headers, tablefmt="github", disable_numparse=True),
        f"Written by `nox -s bench-preparation -- --rows {arguments.rows}`. Above {MOST_OF_PEERS:,} rows "
        "only lrbench ran.",
    ]
    return "\n\n".join(parts) + "\n"


TOOLS = {"Polars script": script, "DuckDB": duckdb, "lrbench": lrbench}

if __name__ == "__main__":
    main()
