"""Measure lrbench on one GPU, and write RESULTS-GPU.md, within eight minutes.

    python benchmarks/gpu.py --data-dir DIR

It needs torch, lrbench's dependencies, and ``amazon-beauty`` fetched into ``DIR`` under loo-50. It downloads
nothing. First every model takes a step of each stage and ranks users, and what fails is listed. Then times
are measured, the most important first. What the time does not allow is listed as not measured. Models that
read titles are left out, because this dataset has none.

``--device cpu`` with small sizes tries the script where there is no GPU. Its page then says so.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from compare import export
from on_device import measure
from on_device.converge import seconds_to_convergence
from on_device.page import Page

from lrbench.config.protocol import find_protocol
from lrbench.data.dataset import load_prepared
from lrbench.data.obtain import open_library
from lrbench.data.sequences import Split
from lrbench.data.splitting import split
from lrbench.versions import versions

HERE = Path(__file__).parent
TIMED = [
    ("sasrec", "supervised"),
    ("lares", "spt"),
    ("lares", "rpt"),
    ("erl", "supervised"),
    ("prl", "supervised"),
    ("plr", "supervised"),
    ("bsarec", "supervised"),
    ("bert4rec", "cloze"),
    ("hstu", "supervised"),
    ("esasrec", "supervised"),
    ("fmlp", "supervised"),
    ("caser", "supervised"),
    ("gru4rec", "supervised"),
]
EQUAL = [("sasrec", "supervised"), ("bsarec", "supervised"), ("erl", "supervised"), ("lares", "spt")]
TOGETHER = (1, 2, 4, 8)
FREE = 5.0
"""A part begins only if at least this many seconds are left."""
LONGEST = 120.0
"""Seconds after which training to convergence is stopped."""


class Measured:
    """Results by part, what failed in each, and the parts for which no time was left."""

    def __init__(self, minutes: float) -> None:
        self._ends = time.monotonic() + 60 * minutes
        self.results: dict[str, Any] = {}
        self.failures: dict[str, str] = {}
        self.left_out: list[str] = []

    @property
    def left(self) -> float:
        """Seconds left."""
        return self._ends - time.monotonic()

    def take(self, name: str, function: Callable[..., Any], *given: Any) -> None:
        """Take a measurement if there is time. A failure is recorded, and the script goes on."""
        if self.left < FREE:
            self.left_out.append(name)
            return
        try:
            self.results[name] = function(*given)
        except Exception as error:
            self.failures[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
        said = self.results.get(name, self.failures.get(name))
        print(f"{self.left:.0f} s left; {name}: {said}", file=sys.stderr)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, help="folder of the datasets (default: lrbench's own)")
    parser.add_argument("--dataset", default="amazon-beauty")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=1536, help="targets of a step")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each stage")
    parser.add_argument("--users", type=int, default=512, help="users whose ranks are compared")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument(
        "--seconds-together",
        type=float,
        default=5.0,
        help="seconds of timing processes that share the device",
    )
    parser.add_argument("--most-epochs", type=int, default=300, help="cap of the training to convergence")
    parser.add_argument("--models", nargs="*", help="only these")
    parser.add_argument("--recbole", type=Path, help="a Python that has recbole 1.2.1")
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS-GPU.md")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def load(given: argparse.Namespace) -> Split:
    """Return the dataset, split by loo-50.

    Raises:
        SystemExit: it is not prepared.
    """
    protocol = find_protocol("loo-50")
    folder = open_library(given.data_dir).find_prepared(given.dataset, protocol.filters)
    if folder is None:
        command = f"lrbench fetch {given.dataset} --protocol loo-50"
        raise SystemExit(f"{given.dataset} is not prepared for loo-50: run {command} first")
    given.folder = folder
    return split(load_prepared(folder).sequences, protocol)


def recbole(python: Path, folder: Path, device: str, steps: int) -> dict[str, float]:
    """Return the seconds of an epoch and of ranking of RecBole's SASRec on the same device."""
    with tempfile.TemporaryDirectory() as scratch:
        export(folder, Path(scratch))
        options = ["--data", scratch, "--model", "SASRec", "--threads", "4", "--steps", str(steps)]
        command = [str(python), str(HERE / "peers" / "recbole_worker.py"), *options, "--device", device]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180, cwd=scratch)
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def main() -> None:
    """Measure, and write the page."""
    given = arguments()
    device = torch.device(given.device)
    data, batch = load(given), given.batch
    if given.alone:
        print(measure.rate_alone(data, device, batch, given.seconds_together))
        return
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU here: give --device cpu to try the script without one")

    def wanted(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [part for part in parts if not given.models or part[0] in given.models]

    done = Measured(given.minutes)
    for part in wanted(measure.parts()):
        done.take(f"conformance {' '.join(part)}", measure.complaint, *part, data, device, batch, given.users)
    for part in wanted(EQUAL):
        done.take(f"equality {' '.join(part)}", measure.equality, part, data, device, batch)
        done.take(f"ranks {part[0]}", measure.rank_difference, part[0], data, device, batch, given.users)
    done.take("convergence sasrec", seconds_to_convergence, given, max(min(done.left, LONGEST), 0))
    for part in wanted(TIMED):
        for each in measure.variants(*part):
            name = f"time {' '.join(part)} {each.name}"
            done.take(name, measure.time_steps, part, data, device, batch, each, given.steps)
    for name in dict.fromkeys(name for name, _ in wanted(TIMED)):
        done.take(f"ranking {name}", measure.time_ranking, name, data, device)
    shared = ["--dataset", given.dataset, "--device", given.device, "--batch", str(batch)]
    shared += ["--seconds-together", str(given.seconds_together)]
    shared += ["--data-dir", str(given.data_dir)] if given.data_dir else []
    for count in TOGETHER:
        limit = max(done.left, 0)
        done.take(f"together {count}", measure.rates_together, Path(__file__), shared, count, limit)
    if given.recbole:
        done.take("recbole sasrec", recbole, given.recbole, given.folder, given.device, given.steps)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {platform.machine()}"
    page = Page(done.results, done.failures, done.left_out)
    given.output.write_text(page.text(name, versions(), given.dataset, batch), encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
