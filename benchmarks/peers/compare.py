"""Peers and lrbench in turn on the same data, several rounds, and a table of medians and ratios.

Run by ``nox -s bench-peers``. Every measurement is a process of its own, so that memory is its own too;
rounds are interleaved, so that a busy minute hurts all alike. Figures of published code that no package
registry has are given with the commit they were measured at, and marked as not of this run.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from tabulate import tabulate

from lrbench.data.prepared import load_prepared

HERE = Path(__file__).parent
SASREC = {"steps": 2, "width": 64, "inner_width": 256, "input_dropout": 0.5, "temperature": 1.0}
Result = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Something to measure of lrbench, and what to set it against."""

    name: str
    model: str
    peer: str | None = None  # a model of RecBole, or built on it
    as_peer: str = ""  # what that model is to this one, where it is another
    elsewhere: tuple[float, str] | None = None  # seconds of an epoch by published code, and whose
    params: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()


COARSE = ("--precision", "bfloat16")
LARES = {"alignment_rows": "sequence"}
REAREC = (818.0, "ReaRec @7f46432")
ON_RECBOLE = ", the authors' step on its encoder"
LONG_STEPS = {"LARES": 3}  # steps to time where 15 take minutes
LARES_LENGTH = ("--max-length", "20", "--batch-size", "1024")
CASES = (
    Case("SASRec", "sasrec", "SASRec"),
    Case("SASRec, bfloat16", "sasrec", "SASRec", options=COARSE),
    Case("GRU4Rec", "gru4rec", "GRU4Rec"),
    Case("BERT4Rec", "bert4rec", "BERT4Rec"),
    Case("Caser", "caser", "Caser", options=("--steps", "30")),
    Case("BSARec", "bsarec", elsewhere=(176.0, "BSARec's code"), options=("--steps", "12")),
    Case("FMLP-Rec", "fmlp", elsewhere=(176.0, "BSARec's code, its BSARec"), options=("--steps", "12")),
    Case("DuoRec", "duorec", "SASRec", ", less than DuoRec: one encoding of its three", params=LARES),
    Case("HSTU", "hstu"),
    Case("eSASRec", "esasrec"),
    Case("ReaRec ERL", "erl", elsewhere=REAREC, params=SASREC, options=("--steps", "20")),
    Case("ReaRec ERL, bfloat16", "erl", elsewhere=REAREC, params=SASREC, options=("--steps", "20", *COARSE)),
    Case("ReaRec PRL", "prl", elsewhere=REAREC, params=SASREC, options=("--steps", "20")),
    Case("ReaRec PRL, bfloat16", "prl", elsewhere=REAREC, params=SASREC, options=("--steps", "20", *COARSE)),
    Case("PLR, bfloat16", "plr", options=("--steps", "12", *COARSE)),
    Case("LARES SPT", "lares", "LARES", ON_RECBOLE, params=LARES, options=("--steps", "30", *LARES_LENGTH)),
    Case(
        "LARES SPT, bfloat16",
        "lares",
        "LARES",
        ON_RECBOLE,
        params=LARES,
        options=("--steps", "30", *LARES_LENGTH, *COARSE),
    ),
    Case(
        "LARES RPT, bfloat16",
        "lares",
        elsewhere=(1591.0, "LARES @b09245d"),
        # With this cutoff all targets of an untrained network pass the filter.
        params={**LARES, "filter_cutoff": 12_101},
        options=("--stage", "rpt", "--steps", "4", *LARES_LENGTH, *COARSE),
    ),
)


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
            say(number, "RecBole " + model, peers[model][-1])
        for case in CASES:
            ours[case.name].append(bench.lrbench(case))
            say(number, case.name, ours[case.name][-1])
    curves = bench.curves() if arguments.quality else None
    arguments.output.write_text(page(ours, peers, curves, arguments), encoding="utf-8")
    print(f"Written to {arguments.output}.")


def export(data: Path, scratch: Path) -> None:
    """Write the prepared sequences as RecBole's atomic file; a row's place in its sequence is its time."""
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
        """Training seconds and validation NDCG@10 by epoch."""
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
    """Report one measurement at once."""
    print(
        f"round {number + 1}: {name}: epoch {result['epoch']:.1f} s, rank {result['rank']:.2f} s", flush=True
    )


def median(results: list[Result], key: str) -> float:
    """Median over rounds."""
    return statistics.median(result[key] for result in results)


def page(
    ours: dict[str, list[Result]],
    peers: dict[str, list[Result]],
    curves: dict[str, list[tuple[float, float]]] | None,
    arguments: argparse.Namespace,
) -> str:
    """Compose the page."""
    rows = [row(case, ours[case.name], peers) for case in CASES]
    headers = ["model", "epoch, s", "peer, s", "peer", "ratio", "ranking, s", "peak memory, MB"]
    keys = ("epoch", "rank", "memory_training", "memory_ranking")
    peer_rows = [[name, *(f"{median(results, key):.1f}" for key in keys)] for name, results in peers.items()]
    peer_headers = ["RecBole", "epoch, s", "ranking, s", "training, MB", "with ranking, MB"]
    parts = [
        "# Speed beside peers",
        "amazon-beauty (22,363 users, 12,101 items, 198,502 interactions), width 64, 2 layers, length 50 "
        "(LARES: 20), batches of 256 rows or about as many sequences; "
        f"{arguments.threads} threads, medians of {arguments.rounds} interleaved rounds in one run. An epoch "
        "trains on every interaction once; long ones are scaled from some of their steps. Ranking: all users "
        "among all items; lrbench's gives masked and unmasked ranks at once.",
        machine(),
        tabulate(rows, headers, tablefmt="github", disable_numparse=True),
        "\\* Not of this run: the authors' code, in no registry, measured in November 2026 with 2 threads "
        "on the same kind of processor. Ratios to it are rough: an epoch of RecBole's SASRec took 198 s then "
        f"and {median(peers['SASRec'], 'epoch'):.0f} s in this run.",
        tabulate(peer_rows, peer_headers, tablefmt="github", disable_numparse=True),
    ]
    if curves:
        parts += ["## Quality by training time", quality(curves)]
    return "\n\n".join(parts) + "\n"


def row(case: Case, results: list[Result], peers: dict[str, list[Result]]) -> list[str]:
    """One line of the table."""
    seconds = median(results, "epoch")
    peer, whose = None, ""
    if case.peer:
        peer, whose = median(peers[case.peer], "epoch"), f"RecBole {case.peer}{case.as_peer}"
    elif case.elsewhere:
        peer, whose = case.elsewhere[0], f"{case.elsewhere[1]} *"
    memory = max(median(results, f"memory_{part}") for part in ("training", "ranking"))
    shown = (f"{peer:.0f}", whose, f"{peer / seconds:.0f}×") if peer else ("", "", "")
    return [case.name, f"{seconds:.1f}", *shown, f"{median(results, 'rank'):.2f}", f"{memory:.0f}"]


def machine() -> str:
    """Name processor and versions."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    versions = ", ".join(f"{name} {version(name)}" for name in ("lrbench", "torch", "polars"))
    return f"{names[0].split(': ')[1]}, Python {platform.python_version()}, {versions}, recbole 1.2.1."


def quality(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Table of validation NDCG@10 by training seconds, and when 0.0345 was reached."""
    rows = []
    for name, points in curves.items():
        reached = next((f"{seconds:.0f}" for seconds, value in points if value >= 0.0345), "not reached")
        rows.append([name, reached, " ".join(f"{value:.4f}@{seconds:.0f}" for seconds, value in points)])
    headers = ["", "seconds to NDCG@10 0.0345", "validation NDCG@10 @ training seconds"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    main()
