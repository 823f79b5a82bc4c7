"""Write the page of results: medians and ratios, quality by training time, and profiles."""

import platform
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cases import CASES, Case
from tabulate import tabulate

Result = dict[str, Any]
KINDS_OF_WORK = ("products", "softmax", "moving", "other", "between")
MEANINGS = (
    ("products", "products of matrices"),
    ("softmax", "softmax and its logarithms"),
    ("moving", "copies and look-ups"),
    ("other operations", "what else torch computes"),
    ("between operations", "Python, autograd, drawing of masks, the profiler itself"),
)


def median(results: list[Result], key: str) -> float:
    """Return the median over the rounds."""
    return statistics.median(result[key] for result in results)


def page(
    ours: dict[str, list[Result]],
    peers: dict[str, list[Result]],
    threads: int,
    profiles: dict[str, Result] | None = None,
    curves: dict[str, list[tuple[float, float]]] | None = None,
) -> str:
    """Compose the page from the rounds measured so far."""
    rounds = min(map(len, ours.values()))
    rows = [row(case, ours[case.name], peers) for case in CASES]
    headers = ["model", "epoch, s", "peer's epoch, s", "ratio", "ranking, s", "peak memory, MiB"]
    keys = ("epoch", "rank", "memory_training", "memory_ranking")
    peer_rows = [[name, *(f"{median(results, key):.1f}" for key in keys)] for name, results in peers.items()]
    peer_headers = ["peer", "epoch, s", "ranking, s", "training, MiB", "with ranking, MiB"]
    parts = [
        "# Speed beside peers",
        tabulate(setting(threads, rounds), ["setting", "value"], tablefmt="github", disable_numparse=True),
        "An epoch trains on every interaction once. "
        "The time of a long epoch is scaled from some of its steps. "
        "Ranking is of all users among all items. lrbench computes masked and unmasked ranks at once. "
        "The ratio is the peer's time divided by lrbench's.",
        tabulate(rows, headers, tablefmt="github", disable_numparse=True),
        "RecBole lacks some models. Their peers are the steps of the authors' code, rebuilt from RecBole's "
        "parts (files `*_on_recbole.py`). They have the costs of that code, not its results.",
        tabulate(peer_rows, peer_headers, tablefmt="github", disable_numparse=True),
    ]
    if curves:
        parts += ["## Quality by training time", quality(curves)]
    if profiles:
        parts += ["## Where the time goes", where_time_goes(profiles, ours)]
    return "\n\n".join(parts) + "\n"


def row(case: Case, results: list[Result], peers: dict[str, list[Result]]) -> list[str]:
    """Return one row of the main table."""
    seconds = median(results, "epoch")
    shown = ("", "")
    if case.peer:
        peer = median(peers[case.peer], "epoch")
        shown = f"{peer:.0f}", f"{peer / seconds:.0f}×"
    memory = max(median(results, f"memory_{part}") for part in ("training", "ranking"))
    return [case.name, f"{seconds:.1f}", *shown, f"{median(results, 'rank'):.2f}", f"{memory:.0f}"]


def where_time_goes(profiles: dict[str, Result], ours: dict[str, list[Result]]) -> str:
    """Return a table of limits and of shares of a step by kind of operation.

    The limit is the time of the matrix products at the speed of large products.
    """
    rows = []
    for name, profile in profiles.items():
        operations, rounds = profile["operations"], ours[name]
        limits = [limit(operations, result["rates"]) for result in rounds]
        multiples = (result["epoch"] / seconds for result, seconds in zip(rounds, limits, strict=True))
        shares = (f"{profile['shares'].get(kind, 0):.0%}" for kind in KINDS_OF_WORK)
        seconds = f"{statistics.median(limits):.1f}", f"{median(rounds, 'epoch'):.1f}"
        multiple = f"{statistics.median(multiples):.1f}×"
        rows.append([name, f"{sum(operations.values()) / 1e9:,.0f}", *seconds, multiple, *shares])
    kinds = (kind + " operations" if kind in ("other", "between") else kind for kind in KINDS_OF_WORK)
    headers = ["model", "GFLOP an epoch", "limit, s", "epoch, s", "epoch / limit", *kinds]
    measured = [result["rates"] for rounds in ours.values() for result in rounds]
    rates = {kind: median(measured, f"torch.{kind}") / 1e9 for kind in ("float32", "bfloat16")}
    text = (
        "GFLOP counts the matrix products of training alone, recomputed ones included. "
        "The limit is their time at the speed of products of 2,048 by 2,048. That speed is measured "
        "right after each epoch, in the same process: the median "
        f"is {rates['float32']:.0f} GFLOP/s in float32 and {rates['bfloat16']:.0f} in bfloat16. "
        "Limit, epoch and their ratio are medians over the rounds. "
        "Shares are of the time of some profiled steps."
    )
    shares_table, kinds_table = (
        tabulate(lines, names, tablefmt="github", disable_numparse=True)
        for lines, names in ((rows, headers), (MEANINGS, ["share", "what it counts"]))
    )
    return "\n\n".join((text, shares_table, kinds_table))


def limit(operations: dict[str, float], rates: dict[str, float]) -> float:
    """Return the seconds that products need at the speed of large products, both by type."""
    return sum(count / rates[kind] for kind, count in operations.items())


def setting(threads: int, rounds: int) -> list[tuple[str, str]]:
    """Return what was measured and on which machine."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    versions = ", ".join(f"{name} {version(name)}" for name in ("lrbench", "torch", "polars"))
    return [
        ("dataset", "amazon-beauty: 22,363 users, 12,101 items, 198,502 interactions"),
        ("model", "width 64, 2 layers, length 50 (LARES: 20)"),
        ("batch", "256 rows, or about as many sequences"),
        ("threads", str(threads)),
        ("figures", f"medians of {rounds} interleaved rounds in one run"),
        ("processor", names[0].split(": ")[1]),
        ("versions", f"Python {platform.python_version()}, {versions}, recbole 1.2.1"),
    ]


def quality(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Return a table of validation NDCG@10 by training seconds, with the time at which 0.0345 was reached."""
    rows = []
    for name, points in curves.items():
        reached = next((f"{seconds:.0f}" for seconds, value in points if value >= 0.0345), "not reached")
        rows.append([name, reached, " ".join(f"{value:.4f}@{seconds:.0f}" for seconds, value in points)])
    headers = ["", "seconds to NDCG@10 0.0345", "validation NDCG@10 @ training seconds"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)
