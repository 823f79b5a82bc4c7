"""What the benchmark of a device measures. Each function takes one measurement and returns plain numbers."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from lrbench.config.training import TrainingConfig
from lrbench.data.sequences import EvaluationView, Split
from lrbench.evaluation.ranking import rank_targets
from lrbench.models.base import FitStage, GradientStage, Model
from lrbench.registry import MODELS
from on_device.subject import Subject, quiet, wait

__all__ = [
    "MAX_LENGTH",
    "PRECISIONS",
    "Precision",
    "complaint",
    "equality",
    "first",
    "parts",
    "rank_difference",
    "rate_alone",
    "rates_together",
    "time_ranking",
    "time_steps",
    "variants",
]

MAX_LENGTH = 50
_WARM_UP, _PROFILED, _EQUAL_STEPS = 3, 3, 20


@dataclass(frozen=True)
class Precision:
    """How products of matrices are computed."""

    name: str
    training: str  # the option of the training configuration
    coarse_float32: bool = False  # TF32, where the device has it
    graph: bool = False  # whether steps are recorded and replayed


PRECISIONS = (
    Precision("float32", "float32"),
    Precision("TF32", "float32", coarse_float32=True),
    Precision("bfloat16", "bfloat16"),
)
RECORDED = Precision("bfloat16, graphs", "bfloat16", graph=True)


@contextmanager
def _products(precision: Precision) -> Iterator[None]:
    torch.backends.cuda.matmul.allow_tf32 = precision.coarse_float32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def _training(precision: Precision, batch_size: int) -> TrainingConfig:
    values = {"batch_size": batch_size, "precision": precision.training, "graph": precision.graph}
    return TrainingConfig.model_validate(values)


def parts() -> list[tuple[str, str]]:
    """Every model that reads no titles, with each of its stages that takes gradient steps."""
    kinds = ((name, MODELS.load(name)) for name in MODELS.names())
    return [
        (name, stage)
        for name, kind in kinds
        for stage, stage_kind in kind.stages.items()
        if not kind.reads_titles and not issubclass(stage_kind, FitStage)
    ]


def variants(name: str, stage: str) -> tuple[Precision, ...]:
    """The ways in which a stage is timed: each precision, and recorded steps if it can record them."""
    kind = MODELS.load(name)
    stage_kind = kind.stages[stage]
    recorded = issubclass(stage_kind, GradientStage) and stage_kind.replayable(kind, kind.Config())
    return (*PRECISIONS, RECORDED) if recorded else PRECISIONS


def first(view: EvaluationView, users: int) -> EvaluationView:
    """The first users of a view."""
    return view.reordered(np.arange(min(users, len(view))))


def complaint(name: str, stage: str, split: Split, device: torch.device, batch: int, users: int) -> str:
    """Take a step in float32 and in bfloat16, and rank users at two depths, with deterministic kernels only.

    Returns:
        What failed, or an empty string.
    """
    torch.use_deterministic_algorithms(True)
    done = "start"
    try:
        for precision in (PRECISIONS[0], PRECISIONS[2]):
            done = f"step in {precision.name}"
            subject = Subject(name, stage, split.train, MAX_LENGTH, device, _training(precision, batch))
            subject.train(1)
        done = "ranking"
        depths = (0, 2) if MODELS.load(name).reasons else (0,)
        rank_targets(subject.model, first(split.test, users), depths, 0, device)
    except Exception as error:  # one model must not end the page
        return f"{done}: {type(error).__name__}: {str(error).splitlines()[0][:200]}"
    finally:
        torch.use_deterministic_algorithms(False)
    return ""


def time_steps(
    part: tuple[str, str], split: Split, device: torch.device, batch: int, precision: Precision, steps: int
) -> dict[str, float]:
    """Time steps of a stage.

    Returns:
        ``step`` and ``epoch`` in seconds, the epoch scaled from the steps, and ``tokens`` per second. A GPU
        adds ``kernels``, the share of the time in which it computed, and ``memory``, its peak in MiB.
    """
    with _products(precision):
        subject = Subject(*part, split.train, MAX_LENGTH, device, _training(precision, batch))
        subject.train(steps if precision.graph else _WARM_UP)  # every shape is recorded once
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        results = [subject.train(1) for _ in range(steps)]
        step = median(result.seconds for result in results)
        found = {
            "step": step,
            "epoch": step * -(-subject.data.n_targets // batch),
            "tokens": sum(result.tokens for result in results) / sum(result.seconds for result in results),
        }
        if device.type == "cuda":
            found["memory"] = torch.cuda.max_memory_allocated(device) / 2**20
            found["kernels"] = _kernel_share(subject)
    return found


def _kernel_share(subject: Subject) -> float:
    """Return the share of the wall time of some steps in which kernels ran."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    started = time.perf_counter()
    with torch.profiler.profile(activities=activities) as profile:
        subject.train(_PROFILED)
        seconds = time.perf_counter() - started
    total: float = sum(event.self_device_time_total for event in profile.key_averages())
    return total / 1e6 / seconds


def time_ranking(name: str, split: Split, device: torch.device) -> float:
    """Return the seconds to rank all test users at the configured depth. The first of two passes warms up."""
    kind = MODELS.load(name)
    config = kind.Config()
    model: Model[Any] = kind(config, split.train.n_items, MAX_LENGTH).to(device)
    depths = (kind.configured_depth(config),) if kind.reasons else (0,)
    for _ in range(2):
        started = time.perf_counter()
        rank_targets(model, split.test, depths, 0, device)
        wait(device)
        seconds = time.perf_counter() - started
    return seconds


def equality(part: tuple[str, str], split: Split, device: torch.device, batch: int) -> dict[str, float]:
    """Largest relative difference of the first losses from float32 on the CPU, for each precision.

    Nothing is drawn on the device, and host draws have the same seed.
    """
    expected = _losses(part, split, torch.device("cpu"), batch, PRECISIONS[0])
    found = {}
    for precision in PRECISIONS:
        with _products(precision):
            losses = _losses(part, split, device, batch, precision)
        found[precision.name] = float(np.max(np.abs(losses - expected) / np.abs(expected)))
    return found


def _losses(
    part: tuple[str, str], split: Split, device: torch.device, batch: int, precision: Precision
) -> np.ndarray[Any, np.dtype[np.float64]]:
    training = _training(precision, batch)
    subject = Subject(*part, split.train, MAX_LENGTH, device, training, quiet(part[0]))
    return np.array([subject.train(1).terms["loss"] for _ in range(_EQUAL_STEPS)])


def rank_difference(
    name: str, split: Split, device: torch.device, batch: int, users: int
) -> dict[str, float]:
    """Train a few steps on the CPU, and rank the same weights on the CPU and on the device.

    Returns:
        ``differing``, the share of users whose rank differs, and ``largest``, the largest difference.
    """
    cpu, view = torch.device("cpu"), first(split.test, users)
    stage = MODELS.load(name).default_stages[0]
    training = _training(PRECISIONS[0], batch)
    subject = Subject(name, stage, split.train, MAX_LENGTH, cpu, training, quiet(name))
    subject.train(_EQUAL_STEPS)
    ranks = []
    for place in (cpu, device):
        subject.model.to(place)
        ranks.append(rank_targets(subject.model, view, (0,), 0, place).headline(masked=False)[0])
    apart = np.abs(ranks[0] - ranks[1])
    return {"differing": float((apart > 0).mean()), "largest": float(apart.max())}


def rates_together(script: Path, options: Sequence[str], count: int, limit: float) -> list[float]:
    """Steps per second of each of several processes that train SASRec on the device at the same time.

    Raises:
        RuntimeError: a process failed or took longer than ``limit`` seconds.
    """
    command = [sys.executable, str(script), "--alone", *options]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    ends, rates = time.monotonic() + limit, []
    try:
        for process in running:
            output, _ = process.communicate(timeout=max(ends - time.monotonic(), 1))
            if process.returncode:
                raise RuntimeError(f"one of {count} processes ended with exit code {process.returncode}")
            rates.append(float(json.loads(output.splitlines()[-1])))
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{count} processes took longer than {limit:.0f} s") from error
    finally:
        for process in running:
            process.kill()
    return rates


def rate_alone(split: Split, device: torch.device, batch: int, seconds: float) -> float:
    """Return the steps per second of SASRec over ``seconds``, long enough for processes to overlap."""
    part, training = ("sasrec", "supervised"), _training(PRECISIONS[0], batch)
    subject = Subject(*part, split.train, MAX_LENGTH, device, training)
    subject.train(_WARM_UP)
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        steps += subject.train(5).steps
    return steps / (time.perf_counter() - started)
