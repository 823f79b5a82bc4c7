"""What a model's inference costs: parameters, floating-point operations, latency, memory."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from lrbench.data.batches import evaluation_batches
from lrbench.data.sequences import EvaluationView
from lrbench.models.base import Model

__all__ = [
    "count_parameters",
    "encoder_flops",
    "flops_per_user",
    "latency",
    "peak_memory",
    "reset_peak_memory",
]

TIMED_RUNS = 5
"""Runs of which :func:`latency` takes the median."""


def count_parameters(model: Model) -> int:
    """Return the number of the model's parameters, embeddings and frozen ones included."""
    return sum(parameter.numel() for parameter in model.parameters())


def flops_per_user(model: Model, view: EvaluationView, depth: int, device: torch.device) -> float:
    """Return the floating-point operations to encode and score one user at ``depth``, a mean over all users.

    Every user is counted in a batch of its own, without padding, so the number depends only on the length of
    its history. Matrix products are counted as ``torch.utils.flop_counter`` does: a multiplication and an
    addition are two operations. Element-wise operations are not counted. Attention runs in its plain form
    meanwhile, so that it can be counted.
    """
    return _flops(model, view, depth, device, score=True)


def encoder_flops(model: Model, view: EvaluationView, depth: int, device: torch.device) -> float:
    """Return the same as :func:`flops_per_user` for encoding alone, without scoring items."""
    return _flops(model, view, depth, device, score=False)


def _flops(model: Model, view: EvaluationView, depth: int, device: torch.device, *, score: bool) -> float:
    """Return operations per user. One user of every length is counted, for all users of that length."""
    model.eval()
    lengths = np.minimum(view.stops - view.starts, model.max_length)
    _, users, shares = np.unique(lengths, return_index=True, return_counts=True)
    total = 0
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        batches = evaluation_batches(view.reordered(users), model.max_length, 1, device)
        for share, (_, sequences) in zip(shares.tolist(), batches, strict=True):
            with _Operations() as counted:
                states = model.encode(sequences, (depth,), torch.Generator(device).manual_seed(0))
                if score:
                    model.score(states[0])
            total += share * counted.total
    return total / len(view)


def latency(model: Model, view: EvaluationView, depth: int, device: torch.device, batch_size: int) -> float:
    """Return the seconds per 1,000 users to encode and score a batch at ``depth``, the median of five runs.

    The batch holds the users whose history lengths are nearest to the median. It is smaller if the data has
    fewer users. An untimed run comes first, to fill caches.
    """
    model.eval()
    order = np.argsort(view.stops - view.starts, kind="stable")
    first = max(0, (len(order) - batch_size) // 2)
    users = order[first : first + batch_size]
    ((_, sequences),) = evaluation_batches(view.reordered(users), model.max_length, batch_size, device)
    seconds = []
    with torch.no_grad():
        for _ in range(1 + TIMED_RUNS):
            before = _moment(device)
            model.score(model.encode(sequences, (depth,), torch.Generator(device).manual_seed(0))[0])
            seconds.append(_moment(device) - before)
    return median(seconds[1:]) * 1000 / len(users)


def _moment(device: torch.device) -> float:
    """Wait until the device has done all its work, and return the time in seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations by torch's formulas.

    torch's own counter also counts by module, which takes 20 times as long.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        formula = flop_registry.get(function._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def reset_peak_memory(device: torch.device) -> None:
    """Start to measure peak memory, so that a trial does not report the peak of an earlier one.

    On the CPU only Linux can do this, and not in every container. Elsewhere the peak is that of the whole
    process.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory(device: torch.device) -> int:
    """Return the peak since the reset in bytes: memory allocated on the GPU, or resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _peak_resident()


if sys.platform == "linux":

    def _peak_resident() -> int:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

elif sys.platform == "win32":

    def _peak_resident() -> int:
        import psutil  # noqa: PLC0415 - a dependency on Windows alone

        return int(psutil.Process().memory_info().peak_wset)

else:

    def _peak_resident() -> int:
        import resource  # noqa: PLC0415 - Windows has no such module

        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
