"""Profile training steps, and compute the time that their arithmetic alone would need."""

import time
from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

PRODUCTS = ("mm", "addmm", "addmm_", "bmm", "baddbmm", "dot")
SOFTMAX = ("softmax", "log_softmax", "logsumexp", "exp")
MOVING = ("copy_", "cat", "index", "gather", "scatter", "embedding", "fill_", "zero_", "constant_pad", "sort")


class Products(TorchDispatchMode):
    """Counts the floating-point operations of matrix products by the type of their factors."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        packet = function._overloadpacket
        if packet is torch.ops.aten.addmm_:  # torch's counter has no formula for it
            packet = torch.ops.aten.addmm
        if packet in flop_registry:
            kind = str(args[-1].dtype if isinstance(args[-1], torch.Tensor) else result.dtype)
            given = {name: value for name, value in (kwargs or {}).items() if name != "out"}
            self.operations[kind] += flop_registry[packet](*args, **given, out_val=result)
        return result


def rates() -> dict[str, float]:
    """Return operations a second in products of 2,048 by 2,048, by type. They are medians of nine."""
    measured = {}
    for kind in (torch.float32, torch.bfloat16):
        square = torch.randn(2048, 2048).to(kind)
        times = []
        for _ in range(9):
            started = time.perf_counter()
            square @ square
            times.append(time.perf_counter() - started)
        measured[str(kind)] = 2 * 2048**3 / median(times)
    return measured


def profiled(work: Callable[[], object]) -> dict[str, float]:
    """Return shares of the time of ``work`` by kind of operation. The rest passes between operations."""
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profile:
        started = time.perf_counter()
        work()
        wall = time.perf_counter() - started
    shares: Counter[str] = Counter()
    for event in profile.key_averages():
        if event.key.startswith("aten::"):
            shares[_kind(event.key.removeprefix("aten::"))] += event.self_cpu_time_total / 1e6 / wall
    return {**shares, "between": 1 - sum(shares.values())}


def _kind(operation: str) -> str:
    """Return the kind of an operation: products by full name, others by how the name begins."""
    name = operation.removeprefix("_")
    if operation in PRODUCTS or "convolution" in name:
        return "products"
    if name.startswith(SOFTMAX):
        return "softmax"
    return "moving" if name.startswith(MOVING) else "other"
