"""Measure peers and lrbench in turn on the same data, and write a page of medians and ratios.

``nox -s bench-peers`` runs this file. Every measurement is its own process, so that its peak memory is its
own too. Rounds are interleaved, so that a busy minute slows all cases alike.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from cases import CASES, LONG_STEPS, Case
from page import Result, page

from lrbench.data.dataset import load_prepared

HERE = Path(__file__).parent


def main() -> None:
    """Measure and write ``benchmarks/RESULTS.md``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--recbole", type=Path, required=True, help="Python that has recbole 1.2.1")
    parser.add_argument("--data", type=Path, required=True, help="prepared Beauty under loo-50")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quality", action="store_true", help="also time to a validation NDCG@10 of 0.0345")
    parser.add_argument("--output", type=Path, default=HERE.parent / "RESULTS.md")
    arguments = parser.parse_args()
    export(arguments.data, arguments.scratch)
    bench = Bench(arguments.recbole, arguments.data, arguments.scratch, arguments.threads)
    ours: dict[str, list[Result]] = defaultdict(list)
    peers: dict[str, list[Result]] = defaultdict(list)
    for number in range(arguments.rounds):
        for model in dict.fromkeys(case.peer for case in CASES if case.peer):
            peers[model].append(bench.recbole(model, "--steps", str(LONG_STEPS.get(model, 15))))
            say(number, "RecBole's " + model, peers[model][-1])
        for case in CASES:
            ours[case.name].append(bench.lrbench(case))
            say(number, case.name, ours[case.name][-1])
        write(
            arguments.output, page(ours, peers, arguments.threads)
        )  # now, so that a later failure loses nothing
    profiles = {case.name: bench.lrbench(case, "--profile") for case in CASES}
    curves = bench.curves() if arguments.quality else None
    write(arguments.output, page(ours, peers, arguments.threads, profiles, curves))


def write(output: Path, text: str) -> None:
    """Write the page with what is measured so far."""
    output.write_text(text, encoding="utf-8")
    print(f"Written to {output}.", flush=True)


def export(data: Path, scratch: Path) -> None:
    """Write the prepared sequences as RecBole's atomic file. A row's position in its sequence is its time."""
    sequences = load_prepared(data).sequences
    users = [user for user, length in enumerate(sequences.lengths) for _ in range(length)]
    places = [place for length in sequences.lengths for place in range(length)]
    folder = scratch / "beauty"
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"user_id:token": users, "item_id:token": sequences.items, "timestamp:float": places}
    pl.DataFrame(columns).write_csv(folder / "beauty.inter", separator="\t")


@dataclass(frozen=True)
class Bench:
    """Runs single measurements."""

    python: Path
    data: Path
    scratch: Path
    threads: int

    def recbole(self, model: str, *options: str) -> Result:
        """Measure a model of RecBole."""
        command = [str(self.python), str(HERE / "recbole_worker.py"), "--data", str(self.scratch)]
        return self._run([*command, "--model", model, "--threads", str(self.threads), *options])

    def lrbench(self, case: Case, *options: str) -> Result:
        """Measure a case of lrbench."""
        command = [sys.executable, str(HERE / "lrbench_worker.py"), "--data", str(self.data)]
        command += ["--model", case.model, "--params", json.dumps(case.params), *case.options]
        return self._run([*command, "--threads", str(self.threads), *options])

    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """Return training seconds and validation NDCG@10 by epoch."""
        coarse = next(case for case in CASES if case.name == "SASRec, bfloat16")
        return {
            "RecBole SASRec": self.recbole("SASRec", "--steps", "0", "--epochs", "3")["curve"],
            "lrbench SASRec": self.lrbench(CASES[0], "--epochs", "12", "--curve")["curve"],
            "lrbench SASRec, bfloat16": self.lrbench(coarse, "--epochs", "12", "--curve")["curve"],
            "the same, 512 targets a step": self.lrbench(
                coarse, "--epochs", "6", "--curve", "--batch-size", "512"
            )["curve"],
        }

    def _run(self, command: list[str]) -> Result:
        environment = {
            "OMP_NUM_THREADS": str(self.threads),
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.scratch),
        }
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.scratch, env=environment, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        result: Result = json.loads(done.stdout.strip().splitlines()[-1])
        return result


def say(number: int, name: str, result: Result) -> None:
    """Print one measurement at once."""
    print(
        f"round {number + 1}: {name}: epoch {result['epoch']:.1f} s, rank {result['rank']:.2f} s", flush=True
    )


if __name__ == "__main__":
    main()
